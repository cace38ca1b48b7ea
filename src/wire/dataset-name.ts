import * as z from 'zod';

/** What callers call a dataset: an absolute path, or a name of the storage's. Two halves of a character are one and the same in a ledger. */
export const datasetName = z
  .string()
  .min(1)
  .max(4096)
  .refine((name) => !/\p{Surrogate}/u.test(name), { error: 'is not well-formed Unicode' });
