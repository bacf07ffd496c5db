import type { WireService } from "#wire/protocol.ts";
import { wireService } from "#wire/wire-service.ts";

/** A service of Croft's own, in AWS's JSON: what is done with whole accounts. AWS has it in Organizations, which gives no root a key. */
export const accountWire = (): WireService =>
  wireService("croft", {
    protocols: ["aws-json-1.1"],
    version: "2026-11-26",
    target: "Croft",
    operations: {
      CreateAccount: [2, 4],
      ReplaceRootKey: [3, 4],
      ListAccounts: [null, 6],
      StopInstances: [null, 9],
    },
    shapes: [
      ["string"],
      ["bounded", 0, [1, 64]],
      [
        "struct",
        1,
        [
          ["Name", 1],
          ["AccountId", 0],
        ],
      ],
      ["struct", 1, [["AccountId", 0]]],
      [
        "struct",
        0,
        [
          ["AccountId", 0],
          ["Name", 0],
          ["AccessKeyId", 0],
          ["SecretAccessKey", 0],
        ],
      ],
      ["list", 7, "member"],
      ["struct", 0, [["Accounts", 5]]],
      [
        "struct",
        0,
        [
          ["AccountId", 0],
          ["Name", 0],
          ["CreatedAt", 0],
          ["AccessKeyId", 0],
        ],
      ],
      ["list", 0, "member"],
      [
        "struct",
        0,
        [
          ["Stopping", 8],
          ["Left", 8],
        ],
      ],
    ],
  });
