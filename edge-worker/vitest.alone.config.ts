import { ALONE, inWorkerd } from './vitest.project.ts';

export default inWorkerd({ name: 'workerd-alone', include: ALONE });
