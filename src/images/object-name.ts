/** Follows "General purpose bucket naming rules" of S3's guide; also no name that another rule of S3's keeps for itself. */
export const isBucketName = (text: string): boolean =>
  /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(text) &&
  !text.includes("..") &&
  !/^(\d+\.){3}\d+$/.test(text) &&
  !/^(xn--|sthree-|amzn-s3-demo-)|(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$/.test(text);

/** An object's key that is also the path of a file below its bucket's folder, and leads nowhere else. */
export const isObjectKey = (key: string): boolean =>
  Buffer.byteLength(key) <= 1024 && key.split("/").every(isFileName);

/** What begins as files do that are being written would be hidden. */
const isFileName = (name: string): boolean =>
  name !== "" &&
  name !== "." &&
  name !== ".." &&
  !name.startsWith(unfinishedPrefix) &&
  !/\p{Cc}/u.test(name) &&
  Buffer.byteLength(name) <= 255;

export const unfinishedPrefix = ".croft-";

/** `s3://BUCKET/KEY`. */
export const objectUrl = ({ bucket, key }: ObjectName): string => `s3://${bucket}/${key}`;

/** Undefined when it is no such URL; the names in it may still be none. */
export function objectOf(url: string): ObjectName | undefined {
  const [, bucket, key] = /^s3:\/\/([^/]*)\/(.*)$/s.exec(url) ?? [];
  return bucket === undefined || key === undefined ? undefined : { bucket, key };
}

export interface ObjectName {
  readonly bucket: string;
  readonly key: string;
}
