import { openQemuMachines } from "#drivers/machine/qemu/qemu-machines.ts";

/** `node killed-driver.ts OPTIONS SPEC MS`: starts a machine, and is killed after so long, wherever it is then. */
const [options = "", spec = "", ms = ""] = process.argv.slice(2);
setTimeout(() => process.kill(process.pid, "SIGKILL"), Number(ms));
const driver = await openQemuMachines(JSON.parse(options));
await driver.ensure(JSON.parse(spec));
