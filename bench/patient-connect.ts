import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

// An ssh ProxyCommand: node patient-connect.ts ADDRESS PORT. Connects as soon as somebody listens there, and once: asking an
// sshd again and again while the machine boots would slow the very boot that is measured.
const [address = "", port = ""] = process.argv.slice(2);

const attempt = () =>
  new Promise<ReturnType<typeof connect> | undefined>((resolve) => {
    const socket = connect(Number(port), address);
    const giveUp = () => {
      socket.destroy();
      resolve(undefined);
    };
    // Until the machine answers at all, packets are lost, and TCP would wait ever longer before it sends another.
    const timer = setTimeout(giveUp, 400);
    socket.once("error", giveUp).once("connect", () => {
      clearTimeout(timer);
      resolve(socket.off("error", giveUp));
    });
  });

let socket = await attempt();
while (!socket) {
  await sleep(100);
  socket = await attempt();
}
socket.setNoDelay(true);
socket.on("error", () => process.exit(1));
socket.on("close", () => process.exit(0));
process.stdin.pipe(socket).pipe(process.stdout);
