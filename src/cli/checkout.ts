import { dirname, join } from "node:path";

/** Where this copy of Croft lies. */
export const checkout = dirname(dirname(import.meta.dirname));

export const croftCommand = join(checkout, "bin", "croft");
