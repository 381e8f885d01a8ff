import { z } from 'zod';

// The page's content security policy forbids `new Function`, by which zod would compile its schemas, and even its
// trying is reported. Imported before everything that makes a schema, because zod looks then.
z.config({ jitless: true });
