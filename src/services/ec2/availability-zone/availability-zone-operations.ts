import type * as ec2 from "@aws-sdk/client-ec2";
import type { OperationsOf } from "#api/operation.ts";
import type { Ec2Context } from "../context.ts";
import { regionNotFound, zoneNotFound } from "../errors.ts";
import { filtered } from "../filters.ts";
import { isRegion, regionsWith, type Region } from "../region/region.ts";
import { zonesOf } from "./availability-zone.ts";

export const availabilityZoneOperations = {
  DescribeAvailabilityZones: {
    resolve(input, { region }) {
      const zones = zonesOf(region);
      for (const name of input.ZoneNames ?? [])
        if (!zones.some((zone) => zone.name === name)) throw zoneNotFound(name);
      for (const id of input.ZoneIds ?? []) if (!zones.some((zone) => zone.id === id)) throw zoneNotFound(id);
      const chosen = zones.filter(
        (zone) =>
          (!input.ZoneNames?.length || input.ZoneNames.includes(zone.name)) &&
          (!input.ZoneIds?.length || input.ZoneIds.includes(zone.id)),
      );
      return { touches: [], zones: filtered(chosen, input.Filters, filterTable(region)) };
    },
    answer: ({ zones }: { zones: ReturnType<typeof zonesOf> }, { region }) => ({
      AvailabilityZones: zones.map((zone) => ({
        State: "available",
        OptInStatus: "opt-in-not-required",
        Messages: [],
        RegionName: region,
        ZoneName: zone.name,
        ZoneId: zone.id,
        GroupName: zoneGroup(region),
        NetworkBorderGroup: region,
        ZoneType: "availability-zone",
      })),
    }),
  },

  DescribeRegions: {
    resolve(input, { homeRegion }) {
      const all = regionsWith(homeRegion);
      for (const name of input.RegionNames ?? []) if (!isRegion(name, homeRegion)) throw regionNotFound(name);
      const named = all.filter(({ name }) => !input.RegionNames?.length || input.RegionNames.includes(name));
      return {
        touches: [],
        regions: filtered(named, input.Filters, {
          "region-name": (it) => it.name,
          endpoint: (it) => it.endpoint,
          "opt-in-status": (it) => it.optInStatus,
        }),
      };
    },
    answer: ({ regions }: { regions: readonly Region[] }) => ({
      Regions: regions.map(({ name, endpoint, optInStatus }) => ({
        RegionName: name,
        Endpoint: endpoint,
        OptInStatus: optInStatus,
      })),
    }),
  },
} satisfies OperationsOf<typeof ec2, Ec2Context>;

const zoneGroup = (region: string) => `${region}-zg-1`;

const filterTable = (region: string) => ({
  "zone-name": (zone: { name: string }) => zone.name,
  "zone-id": (zone: { id: string }) => zone.id,
  "region-name": () => region,
  "group-name": () => zoneGroup(region),
  "group-long-name": () => undefined,
  "opt-in-status": () => "opt-in-not-required",
  "zone-type": () => "availability-zone",
  state: () => "available",
  message: () => undefined,
  "parent-zone-id": () => undefined,
  "parent-zone-name": () => undefined,
});
