import type { Scope } from "../records.ts";
import { isProvided, type ImageRecord } from "./image.ts";

/** A public parameter whose value is the id of a provided image. */
export interface ImageParameter {
  readonly name: string;
  readonly imageId: string;
  /** How many images the name has stood for. */
  readonly version: number;
  readonly changedAt: string;
}

/**
 * In the order of their names: `/aws/service/croft/images/NAME` for each image, and without the day in it for the newest of a recipe; for the
 * newest of a Debian release also the name by which Debian publishes its own, `/aws/service/debian/release/12/latest/amd64`.
 */
export function imageParameters(all: readonly ImageRecord[]): ImageParameter[] {
  const images = all.filter((it) => isProvided(it) && !it.deregistered);
  const named = images.flatMap((image) =>
    [...new Set([image.name, image.name.replace(/-\d{8}$/, "")])].map(
      (name) => [`/aws/service/croft/images/${name}`, image] as const,
    ),
  );
  const released = images.flatMap((image) => {
    const [, release, architecture] = /^debian-(\d+)-(amd64|arm64)-/.exec(image.name) ?? [];
    if (release === undefined) return [];
    return [[`/aws/service/debian/release/${release}/latest/${architecture}`, image] as const];
  });
  const byName = Map.groupBy([...named, ...released], ([name]) => name);
  return [...byName].map(([name, of]) => newest(name, of)).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function newest(name: string, of: readonly (readonly [string, ImageRecord])[]): ImageParameter {
  const [image] = of.map(([, it]) => it).toSorted((a, b) => (a.createdAt > b.createdAt ? -1 : 1));
  return { name, imageId: image?.id ?? "", version: of.length, changedAt: image?.createdAt ?? "" };
}

export const parameterArn = ({ name }: Pick<ImageParameter, "name">, { region }: Pick<Scope, "region">) =>
  `arn:aws:ssm:${region}::parameter${name}`;

/** By name or ARN; `NAME:VERSION` only while that version is the newest, which is the one that is kept. */
export function findParameter(
  reference: string,
  images: readonly ImageRecord[],
  scope: Pick<Scope, "region">,
): ImageParameter | undefined {
  return imageParameters(images).find((it) =>
    [it.name, parameterArn(it, scope)].some(
      (name) => reference === name || reference === `${name}:${it.version}`,
    ),
  );
}
