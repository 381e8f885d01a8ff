import { ALONE, inWorkerd } from './vitest.project.ts';

export default inWorkerd({
  name: 'workerd',
  include: ['src/**/*.test.ts'],
  exclude: ALONE,
  isolate: false,
});
