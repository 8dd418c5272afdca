"use strict";
// The page of a slownet proxy. All text from the API goes into text nodes and values.

const find = (selector, from = document) => from.querySelector(selector);
const element = (tag, text = "") => Object.assign(document.createElement(tag), {textContent: text});
const setText = (node, text) => { if (node.textContent !== text) node.textContent = text; };
const pathOf = (...names) => "/" + names.map(encodeURIComponent).join("/");

async function call(method, path, body) {
  const request = {method, cache: "no-store"};
  if (body !== undefined) Object.assign(request, {headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});
  const response = await fetch(path, request).catch(() => { throw new Error("The proxy does not answer."); });
  const text = await response.text();
  let value = null;
  try { value = text === "" ? null : JSON.parse(text); } catch { /* no JSON */ }
  if (!response.ok) throw new Error(value?.error ?? `${response.status} ${response.statusText}`);
  return value;
}

// act runs an action, and shows its result.
async function act(done, what) {
  try {
    await what();
    setText(find("#failed"), "");
    find("#said").textContent = done;
  } catch (error) {
    find("#said").textContent = "";
    find("#failed").textContent = error.message;
  }
  await refresh();
}

// Units.

function bytes(n) {
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (n < 1000 || unit === "GB") return `${n < 10 && unit !== "B" ? n.toFixed(1) : Math.round(n)} ${unit}`;
    n /= 1000;
  }
}

function age(seconds) {
  if (seconds < 60) return `${seconds.toFixed(0)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds % 3600 / 60)} min`;
}

const flow = f => `${bytes(f.bytes)}, ${bytes(f.rate)}/s`;

const value = v => typeof v === "string" ? v : v?.name ?? JSON.stringify(v);

function describe(toxic) {
  const parts = Object.entries(toxic.attributes).map(([name, v]) => `${name} ${value(v)}`);
  if (toxic.toxicity !== 1) parts.push(`${toxic.toxicity * 100}% of connections`);
  if (toxic.scope) parts.push(`for each ${toxic.scope}`);
  return parts.join(", ") || "does nothing";
}

// dead tells what happens to clients when the upstream is dead, and whether it is.
function dead(proxy) {
  if (proxy.listen.startsWith("udp:")) return proxy.upstreamError ? `The upstream is dead: ${proxy.upstreamError}` : "";
  const clients = {reset: "reset", close: "closed", refuse: "refused"}[proxy.deadUpstream ?? "reset"];
  if (proxy.upstreamError) return `The upstream is dead, and clients are ${clients}: ${proxy.upstreamError}`;
  return `When the upstream is dead, clients are ${clients}.`;
}

// The attributes of toxics of each type: name, label and initial value.
const types = {
  latency: [["latency", "Latency (ms)", 100], ["jitter", "Jitter (ms)", 0]],
  bandwidth: [["rate", "Rate (kB/s)", 100]],
  slow_close: [["delay", "Delay (ms)", 1000]],
  timeout: [["timeout", "After (ms), 0 is never", 0]],
  reset_peer: [["timeout", "After (ms)", 0]],
  slicer: [["average_size", "Average size (bytes)", 64], ["size_variation", "Variation (bytes)", 16], ["delay", "Delay (µs)", 1000]],
  limit_data: [["bytes", "Bytes", 100000]],
};

const linkFields = ["latency", "jitter", "rate", "loss"];
const linkNames = {both: "link", downstream: "down", upstream: "up"};
const partition = ["downstream", "upstream"].map(stream => ({name: `partition_${stream}`, type: "bandwidth", stream, attributes: {rate: 0}}));

// A Card shows a proxy and changes it.
class Card {
  constructor(name) {
    this.name = name;
    this.proxy = null;
    this.shownToxics = "";
    this.editing = null;
    this.rows = new Map();
    this.node = find("#proxy").content.cloneNode(true).firstElementChild;
    const id = `proxy${Card.count = (Card.count ?? 0) + 1}`;
    const title = this.$("h2");
    title.id = id;
    title.textContent = name;
    this.node.setAttribute("aria-labelledby", id);
    this.$(".table").setAttribute("aria-label", `Connections of ${name}`);
    this.link = this.$("form.link");
    this.toxic = this.$("form.toxic");
    for (const type of Object.keys(types)) this.toxic.elements.type.append(new Option(type));
    for (const p of profiles) this.link.elements.profile.append(new Option(p));
    for (const kind of ["trace", "capture"]) this.$(`a.${kind}`).href = this.path("recording", kind);
    this.showAttributes();
    this.showProfile();
    this.toxic.elements.type.addEventListener("change", () => this.showAttributes());
    this.link.elements.profile.addEventListener("change", () => this.showProfile());
    this.link.addEventListener("submit", event => { event.preventDefault(); act(`${name}: the link is set.`, () => this.setLink()); });
    this.toxic.addEventListener("submit", event => { event.preventDefault(); this.submitToxic(); });
    this.$("details.connections").addEventListener("toggle", refresh);
    this.node.addEventListener("click", event => {
      const button = event.target.closest("button[data-do]");
      if (button) this[button.dataset.do](button);
    });
  }

  $(selector) { return find(selector, this.node); }
  path(...rest) { return pathOf("proxies", this.name, ...rest); }
  act(done, what) { return act(`${this.name}: ${done}`, what); }

  // The actions of the buttons.

  enable() {
    const enabled = !this.proxy.enabled;
    return this.act(enabled ? "enabled." : "disabled.", () => call("POST", this.path(), {enabled}));
  }

  isPartitioned() { return partition.some(p => this.proxy.toxics.some(t => t.name === p.name)); }

  partition() {
    const names = this.proxy.toxics.map(t => t.name);
    if (this.isPartitioned()) {
      return this.act("the partition is over.", async () => {
        for (const p of partition) if (names.includes(p.name)) await call("DELETE", this.path("toxics", p.name));
      });
    }
    return this.act("partitioned: nothing passes.", async () => {
      for (const p of partition) await call("POST", this.path("toxics"), p);
    });
  }

  resetConns() { return this.act("all connections were reset.", () => call("DELETE", this.path("connections"))); }
  remove() { return this.act("removed.", () => call("DELETE", this.path())); }

  removeLinks() {
    return this.act("the link is removed.", async () => {
      for (const t of this.links()) await call("DELETE", this.path("toxics", t.name));
    });
  }

  removeToxic(button) {
    if (this.editing === button.dataset.name) this.cancel();
    return this.act(`${button.dataset.name} is removed.`, () => call("DELETE", this.path("toxics", button.dataset.name)));
  }

  editToxic(button) {
    const toxic = this.proxy.toxics.find(t => t.name === button.dataset.name), fields = this.toxic.elements;
    if (!toxic) return;
    this.edit(toxic.name);
    fields.type.value = toxic.type;
    this.showAttributes();
    fields.stream.value = toxic.stream;
    fields.name.value = toxic.name;
    fields.toxicity.value = toxic.toxicity;
    for (const [attribute] of types[toxic.type]) fields[attribute].value = toxic.attributes[attribute];
    fields[types[toxic.type][0][0]].focus();
  }

  cancel() {
    this.edit(null);
    this.toxic.reset();
    this.showAttributes();
  }

  record() {
    const enabled = !this.status.recording.enabled, payloads = Number(this.$("[name=payloads]").value);
    return this.act(enabled ? "recording." : "the recording has ended.", () => call("PUT", this.path("recording"), {enabled, payloads}));
  }

  forget() { return this.act("the recording is deleted.", () => call("DELETE", this.path("recording"))); }

  // Links and toxics.

  links() { return this.proxy.toxics.filter(t => t.type === "link"); }

  async setLink() {
    const form = this.link.elements, stream = form.stream.value, profile = form.profile.value, scope = form.scope.value;
    const attributes = profile ? {profile} : {};
    if (!profile) for (const field of linkFields) if (form[field].value.trim()) attributes[field] = form[field].value.trim();
    if (Object.keys(attributes).length === 0) throw new Error("The link has neither a profile nor a field: fill in one, or remove the link.");
    const there = this.links().find(t => t.stream === stream && (t.scope || "proxy") === scope);
    if (there) {
      const others = profile ? Object.keys(there.attributes).filter(name => name !== "congestion" && name !== "bottleneck") : ["profile", ...linkFields];
      for (const name of others) attributes[name] ??= null;
      await call("PATCH", this.path("toxics", there.name), {attributes});
      return;
    }
    for (const t of this.links()) {
      if (t.stream === stream || t.stream === "both" || stream === "both") await call("DELETE", this.path("toxics", t.name));
    }
    await call("POST", this.path("toxics"), {name: linkNames[stream], type: "link", stream, scope, attributes});
  }

  async submitToxic() {
    const fields = this.toxic.elements, attributes = {}, editing = this.editing;
    for (const [name] of types[fields.type.value]) attributes[name] = Number(fields[name].value);
    const toxicity = Number(fields.toxicity.value);
    if (editing !== null) {
      await this.act(`${editing} is changed.`, async () => {
        await call("PATCH", this.path("toxics", editing), {attributes, toxicity});
        this.cancel();
      });
      return;
    }
    await this.act("the toxic is added.", async () => {
      await call("POST", this.path("toxics"), {name: fields.name.value, type: fields.type.value, stream: fields.stream.value, toxicity, attributes});
      fields.name.value = "";
    });
  }

  edit(name) {
    const fields = this.toxic.elements;
    this.editing = name;
    for (const field of ["type", "stream", "name"]) fields[field].disabled = name !== null;
    setText(find("legend", this.toxic), name === null ? "Add a toxic" : `Change ${name}`);
    setText(find(".submit", this.toxic), name === null ? "Add" : "Change");
    find("[data-do=cancel]", this.toxic).hidden = name === null;
  }

  showAttributes() {
    this.$(".attributes").replaceChildren(...types[this.toxic.elements.type.value].map(([name, text, first]) => {
      const label = element("label", text + " "), input = document.createElement("input");
      Object.assign(input, {name, type: "number", min: 0, step: "any", value: first, required: true});
      label.append(input);
      return label;
    }));
  }

  // showProfile disables the fields that a profile replaces.
  showProfile() {
    for (const field of linkFields) this.link.elements[field].disabled = this.link.elements.profile.value !== "";
  }

  // fill fills the form with the proxy's link.
  fill() {
    const link = this.links()[0], form = this.link.elements;
    if (!link) return;
    form.stream.value = link.stream;
    form.scope.value = link.scope === "connection" ? "connection" : "proxy";
    for (const field of linkFields) if (typeof link.attributes[field] === "string") form[field].value = link.attributes[field];
    if (typeof link.attributes.profile === "string") form.profile.value = link.attributes.profile;
    this.showProfile();
  }

  // The current state.

  show(proxy, status) {
    const isNew = this.proxy === null;
    this.proxy = proxy;
    this.status = status;
    if (isNew) this.fill();
    setText(this.$(".listen"), proxy.listen);
    setText(this.$(".upstream"), proxy.upstream);
    setText(this.$(".state"), proxy.enabled ? (this.isPartitioned() ? "partitioned" : "") : "disabled");
    setText(this.$(".dead"), dead(proxy));
    setText(this.$("[data-do=enable]"), proxy.enabled ? "Disable" : "Enable");
    setText(this.$("[data-do=partition]"), this.isPartitioned() ? "End the partition" : "Partition");
    this.$("[data-do=resetConns]").hidden = proxy.listen.startsWith("udp:");
    setText(this.$(".live"), String(status.live));
    setText(this.$(".conns"), String(status.conns));
    setText(this.$(".up"), flow(status.up));
    setText(this.$(".down"), flow(status.down));
    setText(this.$(".links"), this.links().map(t => `${t.stream}: ${describe(t)}`).join("; ") || "There is none: bytes pass at once.");
    this.showToxics();
    this.showRecording(status.recording);
  }

  showToxics() {
    const toxics = this.proxy.toxics.filter(t => t.type !== "link"), text = JSON.stringify(toxics);
    setText(this.$(".count"), String(toxics.length));
    if (text === this.shownToxics) return;
    this.shownToxics = text;
    const focused = this.$("ul").contains(document.activeElement);
    this.$("ul").replaceChildren(...toxics.map(t => {
      const item = element("li");
      item.append(element("span", `${t.name}: ${t.type}, ${t.stream}, ${describe(t)}`));
      for (const [action, label] of [["editToxic", "Change"], ["removeToxic", "Remove"]]) {
        if (action === "editToxic" && !types[t.type]) continue;
        const button = element("button", label);
        Object.assign(button.dataset, {do: action, name: t.name});
        button.setAttribute("aria-label", `${label} ${t.name}`);
        item.append(button);
      }
      return item;
    }));
    if (focused) find("summary", this.$(".toxics")).focus();
  }

  showRecording(recording) {
    const some = recording.events > 0;
    const dropped = recording.dropped > 0 ? `, ${recording.dropped} older ones dropped` : "";
    setText(this.$(".recorded"), recording.enabled || some ? `: ${recording.enabled ? "running, " : ""}${recording.events} events${dropped}` : "");
    setText(this.$("[data-do=record]"), recording.enabled ? "Stop" : "Record");
    this.$("[name=payloads]").disabled = recording.enabled;
    for (const selector of ["a.trace", "a.capture", "[data-do=forget]"]) this.$(selector).hidden = !some;
  }

  async showConns() {
    if (!this.$("details.connections").open) return;
    const conns = await call("GET", this.path("connections") + "?limit=50"), body = this.$("tbody");
    const live = new Set(conns.map(c => c.number));
    for (const [number, row] of this.rows) {
      if (live.has(number)) continue;
      if (row.contains(document.activeElement)) find("summary", this.$(".connections")).focus();
      row.remove();
      this.rows.delete(number);
    }
    for (const c of conns.reverse()) {
      let row = this.rows.get(c.number);
      if (!row) {
        row = this.newRow(c);
        this.rows.set(c.number, row);
        body.prepend(row);
      }
      [String(c.number), c.client, age(c.seconds), flow(c.up), flow(c.down), bytes(c.up.held + c.down.held)].forEach((text, i) => setText(row.children[i], text));
    }
  }

  newRow(c) {
    const row = element("tr");
    for (let i = 0; i < 7; i++) row.append(element("td"));
    if (!this.proxy.listen.startsWith("udp:")) {
      const button = element("button", "Reset");
      Object.assign(button.dataset, {do: "resetConn", number: c.number});
      button.setAttribute("aria-label", `Reset connection ${c.number}`);
      row.lastChild.append(button);
    }
    return row;
  }

  resetConn(button) {
    const {number} = button.dataset;
    return this.act(`connection ${number} was reset.`, () => call("DELETE", this.path("connections", number)));
  }
}

// The whole page.

const cards = new Map();
let profiles = [];

async function update() {
  const [proxies, status] = await Promise.all([call("GET", "/proxies"), call("GET", "/status")]);
  const names = Object.keys(proxies).filter(name => Object.hasOwn(status, name)).sort();
  for (const [name, card] of cards) {
    if (names.includes(name)) continue;
    if (card.node.contains(document.activeElement)) find("#adding summary").focus();
    card.node.remove();
    cards.delete(name);
  }
  names.forEach((name, i) => {
    let card = cards.get(name);
    if (!card) {
      card = new Card(name);
      cards.set(name, card);
      find("#proxies").insertBefore(card.node, find("#proxies").children[i] ?? null);
    }
    card.show(proxies[name], status[name]);
  });
  find("#none").hidden = names.length > 0;
  await Promise.all([...cards.values()].map(card => card.showConns().catch(() => {})));
}

let running = null, timer = 0, silent = false;

// refresh shows the current state, one call at a time, and again after a second.
async function refresh() {
  clearTimeout(timer);
  while (running) await running;
  running = update().then(() => {
    if (silent) setText(find("#failed"), "");
    silent = false;
  }, error => {
    silent = true;
    setText(find("#failed"), error.message);
  });
  await running;
  running = null;
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(refresh, 1000);
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
find("#add").addEventListener("submit", event => {
  event.preventDefault();
  const form = event.target, {name, listen, upstream, deadUpstream} = form.elements;
  act(`${name.value} is added.`, async () => {
    await call("POST", "/proxies", {name: name.value, listen: listen.value, upstream: upstream.value, deadUpstream: deadUpstream.value, enabled: true});
    form.reset();
  });
});
find("#reset").addEventListener("click", () => act("All proxies are enabled, and have no toxics.", () => call("POST", "/reset")));

(async () => {
  profiles = (await call("GET", "/profiles").catch(() => [])).map(p => p.name);
  await refresh();
  document.documentElement.dataset.loaded = "";
})();
