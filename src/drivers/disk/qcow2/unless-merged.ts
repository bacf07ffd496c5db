/**
 * Reads layers of a disk that may be merged, and so come to lie elsewhere, between that they are found and that they are open: then it is
 * tried again, some times.
 */
export const unlessMerged = async <Result>(
  read: () => Promise<Result>,
  signal?: AbortSignal,
): Promise<Result> => {
  for (let tries = 1; ; tries++) {
    try {
      return await read();
    } catch (error) {
      if (tries === MOST_TRIES || signal?.aborted) throw error;
    }
  }
};

const MOST_TRIES = 3;
