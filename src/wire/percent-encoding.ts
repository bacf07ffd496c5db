/** Everything but the unreserved characters of RFC 3986, as AWS signs text and as IAM hands out documents. */
export const percentEncoded = (text: string): string =>
  encodeURIComponent(text).replace(
    /[!'()*]/g,
    (found) => `%${found.charCodeAt(0).toString(16).toUpperCase()}`,
  );
