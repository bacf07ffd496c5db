import type { GuestMetadata } from "./guest-snapshot.ts";

/** What is served at `path` (without the version in front, in segments) to who asks with a token or without; undefined: nothing is. */
export const readMetadata = (
  metadata: GuestMetadata,
  path: readonly string[],
  byToken: boolean,
): { readonly body: string | Buffer; readonly type: string } | undefined => {
  const [area, ...rest] = path;
  switch (area) {
    case undefined:
      return text(areas(metadata).join("\n"));
    case "meta-data":
      return text(lookUp(metadata.tree, rest.join("/"), byToken ? metadata.treeByToken : undefined));
    case "dynamic":
      return text(lookUp(metadata.dynamic, rest.join("/")));
    case "user-data": {
      if (metadata.userData === undefined || rest.length > 0) return undefined;
      return { body: Buffer.from(metadata.userData, "base64"), type: "application/octet-stream" };
    }
    default:
      return undefined;
  }
};

/** The versions AWS lists. All show the same: what was added over the years breaks no older reader. */
export const metadataVersions: readonly string[] = `
1.0 2007-01-19 2007-03-01 2007-08-29 2007-10-10 2007-12-15 2008-02-01 2008-09-01 2009-04-04 2011-01-01 2011-05-01
2012-01-12 2014-02-25 2014-11-05 2015-10-20 2016-04-19 2016-06-30 2016-09-02 2018-03-28 2018-08-17 2018-09-24
2019-10-01 2020-10-27 2021-01-03 2021-03-23 2021-07-15 2022-09-24 2024-04-11 latest`
  .trim()
  .split(/\s+/);

/** Only what answers: cloud-init gives up all metadata over one listed entry that is missing. */
const areas = ({ tree, dynamic, userData }: GuestMetadata): string[] => [
  ...(Object.keys(dynamic).length > 0 ? ["dynamic"] : []),
  ...(Object.keys(tree).length > 0 ? ["meta-data"] : []),
  ...(userData === undefined ? [] : ["user-data"]),
];

/** The leaf at `path`, else the listing of what lies below it, directories with a "/" at their end. `instead`: for leaves of the tree. */
const lookUp = (
  tree: Readonly<Record<string, string>>,
  path: string,
  instead: Readonly<Record<string, string>> = {},
): string | undefined => {
  if (Object.hasOwn(instead, path)) return instead[path];
  const isOfKeys = path.startsWith("public-keys");
  if (!isOfKeys && Object.hasOwn(tree, path)) return tree[path];
  const below = path === "" ? "" : `${path}/`;
  const names = new Set<string>();
  for (const leaf in tree) {
    // A key pair is listed as "0=NAME" but asked for as "0"; its name may hold anything, also slashes.
    const asked = isOfKeys ? leaf.replace(/^(public-keys\/\d+)=.*(?=\/)/s, "$1") : leaf;
    if (asked === path) return tree[leaf];
    if (!asked.startsWith(below)) continue;
    const isKey = below === "public-keys/";
    names.add(isKey ? leaf.slice(below.length, leaf.lastIndexOf("/")) : entryName(asked.slice(below.length)));
  }
  return names.size > 0 ? [...names].toSorted().join("\n") : undefined;
};

const entryName = (rest: string): string => {
  const slash = rest.indexOf("/");
  return slash === -1 ? rest : rest.slice(0, slash + 1);
};

const text = (body: string | undefined) => (body === undefined ? undefined : { body, type: "text/plain" });
