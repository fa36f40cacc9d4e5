// Holds a test process to this machine: every way off it is refused and noted.
import { Socket } from "node:net";

export const left = []; // hosts that were tried

const here = (host) => !host || host === "localhost" || host === "::1" || host.startsWith("127.");

export function watch() {
  const connect = Socket.prototype.connect;
  Socket.prototype.connect = function (...args) {
    const first = Array.isArray(args[0]) ? args[0][0] : args[0]; // net.connect has them sorted already
    const host = typeof first === "object" ? first.host : args[1];
    if (typeof host === "string" && !here(host)) {
      left.push(host);
      throw new Error(`a test may not connect to ${host}`);
    }
    return connect.apply(this, args);
  };
}
