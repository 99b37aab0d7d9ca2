// Serves the page beside it, and passes /ws on to a tcpmsg server, so that both have one origin:
// node examples/page/serve.mjs [PORT [HOST:PORT of the tcpmsg server]]

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { connect } from "node:net";

const [port = "8080", server = "127.0.0.1:5050"] = process.argv.slice(2);
const [host, serverPort] = server.split(":");

const HERE = new URL("./", import.meta.url);
const MODULES = new URL("../../dist/", import.meta.url);
const TYPES = { html: "text/html; charset=utf-8", js: "text/javascript", map: "application/json" };

const http = createServer(async (request, response) => {
  const path = request.url === "/" ? "/index.html" : request.url;
  const match = /^\/(tcpmsg\/)?((?:wire\/)?[a-z]+\.(html|js|map|js\.map))$/.exec(path);
  try {
    const [, module, name, kind] = match;
    const body = await readFile(new URL(name, module === undefined ? HERE : MODULES));
    response.writeHead(200, { "content-type": TYPES[kind] ?? TYPES.map }).end(body);
  } catch {
    response.writeHead(404, { "content-type": "text/plain" }).end("there is no such page\n");
  }
});

// The request for a WebSocket is passed on as it came, and the bytes behind it both ways.
http.on("upgrade", (request, socket, head) => {
  const upstream = connect(Number(serverPort), host);
  const lines = [`GET ${request.url} HTTP/1.1`];
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    lines.push(`${request.rawHeaders[at]}: ${request.rawHeaders[at + 1]}`);
  }
  upstream.write(`${lines.join("\r\n")}\r\n\r\n`);
  upstream.write(head);
  upstream.pipe(socket).pipe(upstream);
  socket.on("error", () => upstream.destroy());
  upstream.on("error", () => socket.destroy());
});

http.listen(Number(port), "127.0.0.1", () =>
  console.log(`open http://127.0.0.1:${http.address().port}/`),
);
