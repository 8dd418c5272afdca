"use strict";
// Drives a server of ours with toxiproxy-node-client, all that it can do. API is the
// address of the API, ECHO that of a server that sends back what it gets.

const assert = require("node:assert/strict");
const net = require("node:net");
const {test, afterEach} = require("node:test");
const {Toxiproxy, ToxiproxyError} = require("toxiproxy-node-client");

const toxiproxy = new Toxiproxy(process.env.API);
const upstream = process.env.ECHO;
const listen = "127.0.0.1:0";
const create = (name = "db") => toxiproxy.createProxy({name, listen, upstream});

afterEach(async () => {
  for (const proxy of Object.values(await toxiproxy.getAll())) await proxy.remove();
});

// connect returns a connection through a proxy. What it has received, in pieces, is in
// its chunks; ended and failed tell how it ended.
function connect(proxy) {
  const [host, port] = proxy.listen.split(":");
  const socket = net.connect({host, port: Number(port), noDelay: true, allowHalfOpen: true});
  const conn = {socket, chunks: [], size: 0, waiting: () => {}};
  socket.on("data", data => { conn.chunks.push(data.length); conn.size += data.length; conn.waiting(); });
  conn.ended = new Promise(resolve => { socket.on("end", () => { resolve(true); }); socket.on("close", () => resolve(false)); });
  conn.failed = new Promise(resolve => socket.on("error", error => resolve(error.code)));
  conn.receive = n => new Promise((resolve, reject) => {
    conn.waiting = () => { if (conn.size >= n) resolve(); };
    conn.waiting();
    socket.on("close", () => reject(new Error(`the connection ended after ${conn.size} bytes of ${n}`)));
  });
  return conn;
}

// exchange sends bytes and returns after how many milliseconds they were back.
async function exchange(conn, n) {
  const start = performance.now(), have = conn.size;
  conn.socket.write(Buffer.alloc(n, "x"));
  await conn.receive(have + n);
  return performance.now() - start;
}

const within = (is, least, most) => assert.ok(is >= least && is <= most, `${is} is not from ${least} to ${most}`);

test("version", async () => {
  assert.match(JSON.parse(await toxiproxy.getVersion()).version, /^2\.\d+\.\d+$/);
});

test("proxies: create, list, get, update, disable, enable, remove", async () => {
  const proxy = await create();
  assert.equal(proxy.name, "db");
  assert.equal(proxy.enabled, true);
  assert.match(proxy.listen, /^127\.0\.0\.1:[1-9]\d*$/);
  await assert.rejects(create(), ToxiproxyError);
  await exchange(connect(proxy), 10);
  assert.deepEqual((await toxiproxy.get("db")).toJson(), proxy.toJson());
  assert.deepEqual(Object.keys(await toxiproxy.getAll()), ["db"]);

  const is = {enabled: true, listen: proxy.listen, upstream};
  assert.equal((await proxy.update({...is, enabled: false})).enabled, false);
  assert.equal(await connect(proxy).failed, "ECONNREFUSED");
  assert.equal((await proxy.update(is)).enabled, true);
  await exchange(connect(proxy), 10);
  const moved = await proxy.update({...is, upstream: "127.0.0.1:1"});
  assert.equal(moved.upstream, "127.0.0.1:1");
  await proxy.remove();
  await assert.rejects(toxiproxy.get("db"), ToxiproxyError);
  await assert.rejects(proxy.remove(), ToxiproxyError);
});

test("populate, and again", async () => {
  const body = ["a", "b"].map(name => ({name, listen, upstream}));
  for (let i = 0; i < 2; i++) {
    const proxies = await toxiproxy.populate(body);
    assert.deepEqual(Object.keys(proxies), ["a", "b"]);
    await exchange(connect(proxies.b), 10);
  }
});

test("reset enables all, and removes all toxics", async () => {
  const proxy = await create();
  await proxy.addToxic({name: "slow", type: "latency", stream: "upstream", toxicity: 1, attributes: {latency: 5000, jitter: 0}});
  await proxy.update({enabled: false, listen: proxy.listen, upstream});
  await toxiproxy.reset();
  assert.equal((await toxiproxy.get("db")).enabled, true);
  await assert.rejects(proxy.getToxic("slow"), ToxiproxyError);
  within(await exchange(connect(proxy), 10), 0, 4000);
});

// toxic makes a test of a toxic: what it does to a connection that was there before.
function toxic(type, stream, attributes, look) {
  test(`${type}, ${stream}`, async () => {
    const proxy = await create(), conn = connect(proxy);
    await exchange(conn, 10);
    const body = {name: "t", type, stream, toxicity: 1, attributes};
    const added = await proxy.addToxic(body);
    assert.deepEqual(added.toJson(), body);
    assert.deepEqual((await proxy.getToxic("t")).toJson(), body);
    await assert.rejects(proxy.addToxic(body), ToxiproxyError);
    await look(conn, added, body);
    await added.remove();
    await assert.rejects(proxy.getToxic("t"), ToxiproxyError);
    within(await exchange(connect(proxy), 10), 0, 250);
    conn.socket.destroy();
  });
}

for (const stream of ["upstream", "downstream"]) {
  toxic("latency", stream, {latency: 300, jitter: 0}, async (conn, added, body) => {
    within(await exchange(conn, 10), 299, 3000);
    const updated = await added.update({...body, attributes: {latency: 600, jitter: 0}});
    assert.equal(updated.attributes.latency, 600);
    within(await exchange(conn, 10), 599, 3000);
    await added.update({...body, toxicity: 0});
    within(await exchange(conn, 10), 0, 290);
  });

  toxic("bandwidth", stream, {rate: 100}, async conn => within(await exchange(conn, 60_000), 400, 4000));

  toxic("slow_close", stream, {delay: 300}, async conn => {
    const start = performance.now();
    conn.socket.end();
    assert.equal(await conn.ended, true);
    within(performance.now() - start, 299, 3000);
  });

  toxic("timeout", stream, {timeout: 300}, async conn => {
    conn.socket.write("lost");
    assert.equal(await conn.ended, true);
    assert.equal(conn.size, 10);
  });

  toxic("reset_peer", stream, {timeout: 100}, async conn => assert.equal(await conn.failed, "ECONNRESET"));

  toxic("slicer", stream, {average_size: 10, size_variation: 0, delay: 20_000}, async conn => within(await exchange(conn, 100), 180, 4000));

  toxic("limit_data", stream, {bytes: 10_000}, async conn => {
    conn.socket.write(Buffer.alloc(50_000));
    assert.equal(await conn.ended, true);
    if (stream === "downstream") assert.equal(conn.size, 10_010);
    else within(conn.size, 10, 10_010); // what the server has answered may be lost at the end
  });
}
