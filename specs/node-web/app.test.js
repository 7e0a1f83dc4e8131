// Run by `node --test`.
"use strict";

const assert = require("node:assert/strict");
const test = require("node:test");

const { server } = require("./app.js");

test("counts visits", async (context) => {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => server.close());
  const base = `http://127.0.0.1:${server.address().port}`;
  assert.equal((await (await fetch(`${base}/visits`)).json()).visits, 1);
  assert.equal((await (await fetch(`${base}/visits`)).json()).visits, 2);
  assert.match(await (await fetch(base)).text(), /It works/);
  assert.equal((await fetch(`${base}/nothing`)).status, 404);
});
