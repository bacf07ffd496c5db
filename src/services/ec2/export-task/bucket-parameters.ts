import { isBucketName, isObjectKey, type ObjectName } from "#images/object-name.ts";
import type { Ec2Context } from "../context.ts";
import { invalidBucketName, invalidObjectKey, noBuckets } from "../errors.ts";

/** For policy. */
export const objectArn = ({ bucket, key }: ObjectName): string => `arn:aws:s3:::${bucket}/${key}`;

/**
 * The object that a request names. Whether it, and its bucket, is there its host knows. Throws NoSuchBucket, InvalidBucketName and
 * InvalidParameterValue.
 */
export function objectNamed(
  name: ObjectName,
  { hasBuckets = false }: Pick<Ec2Context, "hasBuckets">,
): ObjectName {
  if (!hasBuckets) throw noBuckets();
  if (!isBucketName(name.bucket)) throw invalidBucketName();
  if (!isObjectKey(name.key)) throw invalidObjectKey(name.key);
  return name;
}
