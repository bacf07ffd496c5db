import type * as ssm from "@aws-sdk/client-ssm";
import { ApiError } from "#api/error.ts";
import type { OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../ec2/context.ts";
import {
  findParameter,
  imageParameters,
  parameterArn,
  type ImageParameter,
} from "../ec2/image/image-parameter.ts";

/** Every SSM operation that Croft serves: reads of the public parameters that name provided images. */
export const ssmOperations = {
  GetParameter: {
    resolve({ Name: name }, context) {
      const parameter = find(name, context);
      if (!parameter) throw parameterNotFound(name);
      return { touches: [{ arn: parameterArn(parameter, context) }], name, parameter };
    },
    answer: ({ name, parameter }: { name: string; parameter: ImageParameter }, context) => ({
      Parameter: { ...described(parameter, context), ...selector(name, parameter, context) },
    }),
  },

  GetParameters: {
    resolve({ Names: names }, context) {
      const asked = [...new Set(names)].map((name) => ({ name, parameter: find(name, context) }));
      return { touches: [], asked };
    },
    answer: ({ asked }: { asked: { name: string; parameter?: ImageParameter }[] }, context) => ({
      Parameters: asked.flatMap(({ name, parameter }) =>
        parameter ? [{ ...described(parameter, context), ...selector(name, parameter, context) }] : [],
      ),
      InvalidParameters: asked.filter(({ parameter }) => !parameter).map(({ name }) => name),
    }),
  },

  GetParametersByPath: {
    resolve(input, context) {
      if (input.ParameterFilters?.length)
        throw new ApiError("UnsupportedOperation", "Croft does not serve ParameterFilters yet.");
      const { MaxResults: most = mostAtOnce, Path: path } = input;
      if (!path.startsWith("/")) throw validation("The parameter path must begin with a forward slash (/).");
      const under = path.endsWith("/") ? path : `${path}/`;
      const after = nameIn(input.NextToken);
      const rest = imageParameters(context.records.all("image")).filter(
        ({ name }) =>
          name.startsWith(under) &&
          name > after &&
          (input.Recursive === true || !name.slice(under.length).includes("/")),
      );
      return { touches: [], parameters: rest.slice(0, most), more: rest.length > most };
    },
    answer: ({ parameters, more }: { parameters: ImageParameter[]; more: boolean }, context) => ({
      Parameters: parameters.map((it) => described(it, context)),
      NextToken: more ? Buffer.from(parameters.at(-1)?.name ?? "").toString("base64url") : undefined,
    }),
  },
} satisfies OperationsOf<typeof ssm, Ec2Context>;

const mostAtOnce = 10;

const find = (name: string, context: Ec2Context) =>
  findParameter(name, context.records.all("image"), context);

const described = (it: ImageParameter, context: Ec2Context) => ({
  Name: it.name,
  Type: "String" as const,
  Value: it.imageId,
  Version: it.version,
  LastModifiedDate: new Date(it.changedAt),
  ARN: parameterArn(it, context),
  DataType: "text",
});

/** Says which version was asked for, if one was. */
const selector = (asked: string, it: ImageParameter, context: Ec2Context) =>
  [it.name, parameterArn(it, context)].includes(asked) ? {} : { Selector: `:${it.version}` };

/** Of the last parameter that the page before held. */
function nameIn(token: string | undefined): string {
  if (token === undefined) return "";
  const name = Buffer.from(token, "base64url").toString();
  if (!name.startsWith("/")) throw new ApiError("InvalidNextToken", "The specified token is not valid.");
  return name;
}

const validation = (message: string) => new ApiError("ValidationException", message);
const parameterNotFound = (name: string) => new ApiError("ParameterNotFound", `Parameter ${name} not found.`);
