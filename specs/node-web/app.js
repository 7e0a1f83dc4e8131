// A small web server on Node's own http module: a page, and a counter that answers in JSON.
"use strict";

const http = require("node:http");

let visits = 0;

function answer(request, response) {
  const { pathname } = new URL(request.url, "http://localhost");
  if (pathname === "/") {
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end(`<!doctype html>\n<title>It works</title>\n<h1>It works</h1>\n<p>Node.js ${process.version}\n`);
  } else if (pathname === "/visits") {
    visits += 1;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ visits }) + "\n");
  } else {
    response.statusCode = 404;
    response.end("not found\n");
  }
}

const server = http.createServer(answer);

if (require.main === module) {
  server.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => {
    console.log(`listening on http://127.0.0.1:${server.address().port}/`);
  });
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.on(signal, () => server.close(() => process.exit(0)));
  }
}

module.exports = { server };
