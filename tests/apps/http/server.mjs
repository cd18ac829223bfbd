// node's http server: static text, its log in the common format on stdout.
import { createServer } from "node:http";

const server = createServer((request, response) => {
  const missing = request.url === "/none";
  response.writeHead(missing ? 404 : 200, { "Content-Type": "text/plain" });
  response.end(request.url === "/large.txt" ? "x".repeat(1_000_000) : `hello ${request.url}\n`);
  response.on("finish", () => console.log(`"${request.method} ${request.url} HTTP/1.1" ${response.statusCode}`));
});
server.listen(Number(process.argv[2]), "127.0.0.1");
process.on("SIGTERM", () => process.exit(0));
