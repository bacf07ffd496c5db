/** The bytes are not to be had, or no image that Croft takes. The message says why, for the operator. */
export class ImportRefused extends Error {
  override readonly name = "ImportRefused";
}
