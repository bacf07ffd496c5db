import { ApiError, exceptionSuffix } from "#api/error.ts";
import { amzDateOf } from "./signature.ts";

/** What callers are told whose signature does not hold. EC2 has words of its own; every other service shares one set. */
export function unknownAccessKey(service: string): ApiError {
  return service === "ec2"
    ? invalidCredentials()
    : new ApiError("InvalidClientTokenId", "The security token included in the request is invalid.", {
        status: 403,
      });
}

export function requestExpired(service: string, amzDate: string, nowMs: number): ApiError {
  if (service === "ec2") return new ApiError("RequestExpired", "Request has expired.");
  const now = amzDateOf(nowMs);
  const quarter = 15 * 60_000;
  return signatureMismatch(
    amzDate > now
      ? `Signature not yet current: ${amzDate} is still later than ${amzDateOf(nowMs + quarter)} (${now} + 15 min.)`
      : `Signature expired: ${amzDate} is now earlier than ${amzDateOf(nowMs - quarter)} (${now} - 15 min.)`,
  );
}

export function expiredToken(service: string): ApiError {
  return service === "ec2"
    ? new ApiError("RequestExpired", "Request has expired.")
    : new ApiError(
        `ExpiredToken${exceptionSuffix(service)}`,
        "The security token included in the request is expired",
        { status: 403 },
      );
}

/** EC2 does not say which half of the key is wrong. */
export function wrongSecret(service: string): ApiError {
  return service === "ec2" ? invalidCredentials() : signatureMismatch();
}

function invalidCredentials(): ApiError {
  return new ApiError("AuthFailure", "AWS was not able to validate the provided access credentials", {
    status: 401,
  });
}

export function signatureMismatch(
  message = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
): ApiError {
  return new ApiError("SignatureDoesNotMatch", message, { status: 403 });
}

export function missingToken(): ApiError {
  return new ApiError("MissingAuthenticationToken", "Request is missing Authentication Token", {
    status: 403,
  });
}

export function incompleteSignature(message: string): ApiError {
  return new ApiError("IncompleteSignature", message);
}

export function malformedQuery(): ApiError {
  return new ApiError("MalformedQueryString", "The query string contains a syntax error");
}
