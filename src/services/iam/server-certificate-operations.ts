import type * as iam from "@aws-sdk/client-iam";
import type { ServerCertificateMetadata } from "@aws-sdk/client-iam";
import type { OperationsOf } from "#api/operation.ts";
import { seal } from "#sealed.ts";
import type { IamContext } from "./context.ts";
import { alreadyExists, quotaExceeded } from "./errors.ts";
import { arnOf, findCertificate, touching, untagged } from "./holder.ts";
import { checkName, checkPath, newUniqueId } from "./names.ts";
import { page, type Truncation } from "./pagination.ts";
import { quotas } from "./quotas.ts";
import type { ServerCertificateRecord } from "./records.ts";
import { checkCertificate } from "./server-certificate.ts";
import { tagsMember, withTags } from "./tags.ts";

/** Certificates for load balancers, with their keys, which are kept sealed and told to nobody. */
export const serverCertificateOperations = {
  UploadServerCertificate: {
    resolve(input, context) {
      const { records, now, random, sealingKey } = context;
      checkName("serverCertificateName", input.ServerCertificateName);
      const id = newUniqueId("ASCA", random);
      const certificate: ServerCertificateRecord = {
        id,
        name: input.ServerCertificateName,
        path: checkPath(input.Path ?? "/"),
        createdAt: now().toISOString(),
        tags: withTags({}, input.Tags),
        ...checkCertificate(input, now()),
        body: input.CertificateBody,
        chain: input.CertificateChain,
        sealedKey: seal(input.PrivateKey, sealingKey, `private key of server certificate ${id}`),
      };
      refuseTaken(certificate.name, context);
      const most = quotas.ServerCertificatesQuota;
      if (records.all("iam-server-certificate").length >= most)
        throw quotaExceeded("ServerCertificatesPerAccount", most);
      return {
        touches: touching("iam-server-certificate", untagged(certificate), context),
        transaction: records.create("iam-server-certificate", certificate),
        certificate,
      };
    },
    answer: ({ certificate }: { certificate: ServerCertificateRecord }, context) => ({
      ServerCertificateMetadata: describe(certificate, context),
      ...tagsMember(certificate.tags),
    }),
  },

  GetServerCertificate: {
    resolve({ ServerCertificateName: name }, context) {
      const certificate = findCertificate(name, context);
      return { touches: touching("iam-server-certificate", certificate, context), certificate };
    },
    answer: ({ certificate }: { certificate: ServerCertificateRecord }, context) => ({
      ServerCertificate: {
        ServerCertificateMetadata: describe(certificate, context),
        CertificateBody: certificate.body,
        ...(certificate.chain !== undefined && { CertificateChain: certificate.chain }),
        ...tagsMember(certificate.tags),
      },
    }),
  },

  ListServerCertificates: {
    resolve(input, { records }) {
      const prefix = input.PathPrefix ?? "/";
      const found = records.all("iam-server-certificate").filter(({ path }) => path.startsWith(prefix));
      return { touches: [], ...page(found, ({ name }) => name, input) };
    },
    answer: ({ items, truncation }: Page, context) => ({
      ServerCertificateMetadataList: items.map((it) => describe(it, context)),
      ...truncation,
    }),
  },

  UpdateServerCertificate: {
    resolve(input, context) {
      const before = findCertificate(input.ServerCertificateName, context);
      const { NewServerCertificateName: name = before.name, NewPath: path = before.path } = input;
      checkName("newServerCertificateName", name);
      if (name.toLowerCase() !== before.name.toLowerCase()) refuseTaken(name, context);
      const changed = { ...before, name, path: checkPath(path) };
      return {
        touches: [before, changed].flatMap((it) => touching("iam-server-certificate", it, context)),
        transaction: context.records.rename("iam-server-certificate", changed, before.name),
      };
    },
    answer: () => ({}),
  },

  /** Fails while something uses it. */
  DeleteServerCertificate: {
    resolve({ ServerCertificateName: name }, context) {
      const certificate = findCertificate(name, context);
      return {
        touches: touching("iam-server-certificate", certificate, context),
        transaction: context.records.remove("iam-server-certificate", certificate),
      };
    },
    answer: () => ({}),
  },
} satisfies OperationsOf<typeof iam, IamContext>;

interface Page {
  readonly items: readonly ServerCertificateRecord[];
  readonly truncation: Truncation;
}

function refuseTaken(name: string, { records }: IamContext): void {
  if (records.named("iam-server-certificate", name))
    throw alreadyExists(`The Server Certificate with name ${name} already exists.`);
}

const describe = (certificate: ServerCertificateRecord, context: IamContext): ServerCertificateMetadata => ({
  Path: certificate.path,
  ServerCertificateName: certificate.name,
  ServerCertificateId: certificate.id,
  Arn: arnOf("iam-server-certificate", certificate, context),
  UploadDate: new Date(certificate.createdAt),
  Expiration: new Date(certificate.expiresAt),
});
