import type {
  ConnectionTrackingConfiguration,
  ConnectionTrackingSpecificationRequest,
} from "@aws-sdk/client-ec2";
import type { IdleTimeouts } from "#drivers/network/network-driver.ts";
import { invalidParameter } from "../errors.ts";

/** Of a request, over those before. Undefined: none are given. "Connection tracking timeouts" of Amazon EC2's guide says the bounds. */
export function idleTimeouts(
  given: ConnectionTrackingSpecificationRequest | undefined,
  before?: IdleTimeouts,
): IdleTimeouts | undefined {
  const { TcpEstablishedTimeout, UdpStreamTimeout, UdpTimeout } = given ?? {};
  const tcpEstablished = within("TcpEstablishedTimeout", TcpEstablishedTimeout, 60, 432_000);
  const udpStream = within("UdpStreamTimeout", UdpStreamTimeout, 60, 180);
  const udp = within("UdpTimeout", UdpTimeout, 30, 60);
  const after = {
    ...before,
    ...(tcpEstablished !== undefined && { tcpEstablished }),
    ...(udpStream !== undefined && { udpStream }),
    ...(udp !== undefined && { udp }),
  };
  return Object.keys(after).length === 0 ? undefined : after;
}

export const describeIdleTimeouts = (it: IdleTimeouts): ConnectionTrackingConfiguration => ({
  TcpEstablishedTimeout: it.tcpEstablished,
  UdpStreamTimeout: it.udpStream,
  UdpTimeout: it.udp,
});

function within(name: string, seconds: number | undefined, least: number, most: number): number | undefined {
  if (seconds !== undefined && (seconds < least || seconds > most))
    throw invalidParameter(
      `Value (${seconds}) for parameter ${name} is invalid. Specify a value between ${least} and ${most} seconds.`,
    );
  return seconds;
}
