/** Commands for a terminal that reach the server of this page. */

/** The part of a page's address that a command needs. */
type Address = Pick<Location, "protocol" | "host" | "hostname" | "port">;

const DEFAULT_HOSTS = ["localhost", "127.0.0.1", "[::1]"];

/**
 * Returns `tcpmsg send ROOM` with the options that this page's server needs.
 *
 * The command connects to port 5050 of its own machine unless it has `--server`.
 */
export function sendCommand(room: string, options = "", address: Address = location): string {
  const parts = ["tcpmsg", "send", room];
  if (options !== "") parts.push(options);
  const server = serverOption(address);
  if (server !== null) parts.push("--server", server);
  return parts.join(" ");
}

function serverOption({ protocol, host, hostname, port }: Address): string | null {
  const tls = protocol === "https:";
  if (!tls && port === "5050" && DEFAULT_HOSTS.includes(hostname)) return null;
  const full = port === "" ? `${host}:${tls ? 443 : 80}` : host;
  const server = tls ? `tcpmsgs://${full}` : full;
  return hostname.startsWith("[") ? `'${server}'` : server; // a shell takes brackets for a pattern
}
