/** Stands in for the types of @aws-sdk/client-ebs until it is among the development dependencies; then it goes. */
declare module "@aws-sdk/client-ebs" {
  interface Page {
    NextToken?: string | undefined;
    MaxResults?: number | undefined;
    StartingBlockIndex?: number | undefined;
  }
  interface Listed {
    ExpiryTime?: Date | undefined;
    VolumeSize?: number | undefined;
    BlockSize?: number | undefined;
    NextToken?: string | undefined;
  }
  interface ListSnapshotBlocksInput extends Page {
    SnapshotId: string | undefined;
  }
  interface ListSnapshotBlocksOutput extends Listed {
    Blocks?: { BlockIndex?: number | undefined; BlockToken?: string | undefined }[] | undefined;
  }
  interface ListChangedBlocksInput extends Page {
    FirstSnapshotId?: string | undefined;
    SecondSnapshotId: string | undefined;
  }
  export interface ChangedBlock {
    BlockIndex?: number | undefined;
    FirstBlockToken?: string | undefined;
    SecondBlockToken?: string | undefined;
  }
  interface ListChangedBlocksOutput extends Listed {
    ChangedBlocks?: ChangedBlock[] | undefined;
  }
  interface GetSnapshotBlockInput {
    SnapshotId: string | undefined;
    BlockIndex: number | undefined;
    BlockToken: string | undefined;
  }
  interface GetSnapshotBlockOutput {
    DataLength?: number | undefined;
    BlockData?: (Uint8Array & { transformToByteArray(): Promise<Uint8Array> }) | undefined;
    Checksum?: string | undefined;
    ChecksumAlgorithm?: "SHA256" | undefined;
  }
  abstract class Command<Input, Output> {
    readonly input: Input;
    resolveMiddleware(...args: never[]): (...args: never[]) => Promise<{ output: Output }>;
  }
  export class ListSnapshotBlocksCommand extends Command<ListSnapshotBlocksInput, ListSnapshotBlocksOutput> {}
  export class ListChangedBlocksCommand extends Command<ListChangedBlocksInput, ListChangedBlocksOutput> {}
  export class GetSnapshotBlockCommand extends Command<GetSnapshotBlockInput, GetSnapshotBlockOutput> {}
  export class EBSClient {
    constructor(config?: object);
    destroy(): void;
  }
  export class EBS extends EBSClient {
    listSnapshotBlocks(input: ListSnapshotBlocksInput): Promise<ListSnapshotBlocksOutput>;
    listChangedBlocks(input: ListChangedBlocksInput): Promise<ListChangedBlocksOutput>;
    getSnapshotBlock(input: GetSnapshotBlockInput): Promise<GetSnapshotBlockOutput>;
  }
  export function paginateListSnapshotBlocks(
    config: { client: EBSClient; pageSize?: number },
    input: ListSnapshotBlocksInput,
  ): AsyncIterable<ListSnapshotBlocksOutput>;
  export function paginateListChangedBlocks(
    config: { client: EBSClient; pageSize?: number },
    input: ListChangedBlocksInput,
  ): AsyncIterable<ListChangedBlocksOutput>;
}
