// The gallery and the detail view. File names and captions are untrusted: they are set as text, never as HTML.
//
// The server owns the state. Actions are sent to it as numbered orders, which stay in `pending` until the server confirms
// that it has handled them. So none is lost when two follow each other quickly.

export default function ({ data, parentElement, setStateValue }) {
  let album = parentElement.album;
  if (!album || !album.section.isConnected) album = parentElement.album = new Album(parentElement);
  album.send = (orders) => setStateValue("orders", orders);
  album.show(data);
  return () => setTimeout(() => album.section.isConnected || album.leave(), 100);
}

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element[name] = value;
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== false));
  return element;
}

function button(label, id, onclick, properties = {}) {
  return make("button", { type: "button", "data-id": id, onclick, ...properties }, label);
}

function count(number, one, many) {
  return `${number} ${number === 1 ? one : many}`;
}

class Album {
  constructor(root) {
    this.root = root;
    this.data = { tiles: [], refused: [], exports: [], files: [] };
    this.pending = [];
    this.number = 0;
    this.drafts = window.captionerDrafts ??= new Map(); // kept when the visitor opens another page
    this.tiles = new Map();
    this.filter = "all";
    this.section = root.querySelector(".album");
    this.part = (name) => root.querySelector(`.${name}`);
    this.detail = new Detail(this);
    this.take = new Take(this);
    this.uploads = window.captionerUploads ??= new Uploads();
    this.uploads.album = this;
    this.beforeunload = (event) => {
      const draft = this.data.tiles.some((tile) => this.drafts.has(tile.key));
      if (this.data.unsaved || draft || this.uploads.waiting.length) event.preventDefault();
    };
    this.paste = (event) => this.pasted(event);
    this.timer = setInterval(() => this.again(), 1000);
    window.addEventListener("beforeunload", this.beforeunload);
    document.addEventListener("paste", this.paste);
  }

  leave() {
    clearInterval(this.timer);
    window.removeEventListener("beforeunload", this.beforeunload);
    document.removeEventListener("paste", this.paste);
  }

  order(what, key = 0, text = "") {
    this.number = Math.max(this.number, this.data.handled) + 1;
    this.pending.push({ number: this.number, what, key, text, sent: Date.now() });
    this.send(this.pending.map((order) => ({ ...order })));
  }

  // Send lost orders again; the new time makes Streamlit see a change.
  again() {
    const now = Date.now();
    if (!this.pending.some((order) => now - order.sent > 3000)) return;
    this.pending.forEach((order) => (order.sent = now));
    this.send(this.pending.map((order) => ({ ...order })));
  }

  // Handle pasted pictures like selected files.
  pasted(event) {
    const files = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
    if (!files.length || this.detail.dialog.open) return;
    this.uploads.add(files);
    event.preventDefault();
  }

  redraw() {
    this.show(this.served);
  }

  show(data) {
    this.served = data;
    this.uploads.arrive(data.turn);
    this.data = { ...data, tiles: [...data.tiles, ...this.uploads.tiles] };
    this.take.save(data.files, new Set(this.pending.map((order) => order.number)));
    this.pending = this.pending.filter((order) => order.number > data.handled);
    this.keepFocus(() => {
      this.showStatus();
      this.showHead();
      this.showTiles();
      this.showRefused();
      this.take.show();
    });
    this.detail.show();
    this.uploads.go();
  }

  // Redraw, keeping the focus and the text cursor on the element with the same id.
  keepFocus(draw) {
    const before = this.root.activeElement;
    const id = before?.dataset?.id;
    const cursor = before?.tagName === "TEXTAREA" && [before.selectionStart, before.selectionEnd];
    draw();
    if (!id || this.root.activeElement?.dataset?.id === id) return;
    const after = this.root.querySelector(`[data-id="${CSS.escape(id)}"]:not(:disabled)`);
    if (after) after.focus({ preventScroll: true });
    else if (this.detail.dialog.open) this.detail.focus("close"); // or the arrow keys would stop working
    if (after && cursor && after.tagName === "TEXTAREA") after.setSelectionRange(...cursor);
  }

  replaced(place, signature, draw) {
    if (place.signature === signature) return;
    place.signature = signature;
    place.replaceChildren(...draw().filter(Boolean));
  }

  showStatus() {
    const { problem, deleted } = this.data;
    const status = this.uploads.status ?? this.data.status;
    const said = this.part("said");
    // The line stays when the work is done, so that nothing below it moves.
    const done = this.data.tiles.length ? "All photos have captions." : "";
    const text = problem ? "The model could not be loaded." : (status?.text ?? done);
    if (said.textContent !== text) said.textContent = text;
    this.part("work").hidden = !text;
    this.replaced(this.part("controls"), JSON.stringify([status, problem]), () => {
      if (problem) return [make("p", {}, problem), button("Try again", "again", () => this.order("continue"))];
      if (!status) return [];
      const share = status.total ? Math.round((100 * status.done) / status.total) : 0;
      return [
        make("progress", { max: status.total, value: status.done, "aria-label": status.text }),
        make("span", { class: "share" }, `${share} %`),
        status.uploading
          ? button("Stop uploading", "stop-uploading", () => this.uploads.stop())
          : status.paused
            ? button("Continue", "pause", () => this.order("continue"))
            : button("Pause", "pause", () => this.order("pause")),
        status.redoing && button("Cancel", "cancel", () => this.order("cancel")),
      ];
    });
    this.replaced(this.part("deleted"), `${deleted}`, () =>
      deleted
        ? [make("span", {}, `${count(deleted, "photo", "photos")} deleted.`), button("Undo", "undo", () => this.order("restore"))]
        : [],
    );
  }

  showHead() {
    const tiles = this.data.tiles;
    const numbers = {
      all: tiles.length,
      check: tiles.filter((tile) => tile.check).length,
      edited: tiles.filter((tile) => tile.edited).length,
    };
    const names = { all: "All", check: "To check", edited: "Reviewed" };
    if (this.filter !== "all" && !tiles.length) this.filter = "all";
    this.replaced(this.part("head"), JSON.stringify([numbers, this.filter]), () => {
      if (!tiles.length) return [];
      const check = numbers.check ? ` · ${numbers.check} to check` : "";
      return [
        make("h2", {}, `${count(tiles.length, "photo", "photos")}${check}`),
        tiles.length > 1 &&
          make(
            "div",
            { class: "filters", role: "group", "aria-label": "Filter photos" },
            ...Object.entries(names).map(([name, label]) =>
              button(`${label} ${numbers[name]}`, `filter-${name}`, () => this.choose(name), {
                "aria-pressed": this.filter === name ? "true" : "false",
              }),
            ),
          ),
      ];
    });
  }

  choose(filter) {
    this.filter = filter;
    this.keepFocus(() => this.showHead());
    this.showTiles();
  }

  matches(tile) {
    return this.filter === "all" || (this.filter === "check" ? tile.check : tile.edited);
  }

  showTiles() {
    const list = this.part("tiles");
    const keys = new Set(this.data.tiles.map((tile) => tile.key));
    for (const [key, item] of this.tiles) {
      if (!keys.has(key)) {
        item.remove();
        this.tiles.delete(key);
      }
    }
    this.data.tiles.forEach((tile, place) => {
      let item = this.tiles.get(tile.key);
      if (!item) this.tiles.set(tile.key, (item = make("li")));
      if (list.children[place] !== item) list.insertBefore(item, list.children[place] ?? null);
      item.hidden = !this.matches(tile);
      const draft = this.drafts.has(tile.key);
      const { thumbnail, name, text, word, tone } = tile;
      const signature = JSON.stringify([thumbnail, name, text, word, tone, draft]);
      this.replaced(item, signature, () => [this.tile(tile, draft)]);
    });
    list.dataset.few = keys.size === 1 ? "one" : keys.size <= 4 ? "few" : "many";
    this.part("none").hidden = !keys.size || this.data.tiles.some((tile) => this.matches(tile));
  }

  tile(tile, draft) {
    if (tile.tone === "waiting") {
      return make(
        "div",
        { class: "tile waiting" },
        make("div", { class: "picture" }, make("span", { class: "word" }, tile.word)),
        make("span", { class: "text" }),
        make("span", { class: "word" }, "\u00a0"),
        make("span", { class: "name" }, tile.name),
      );
    }
    return make(
      "button",
      { type: "button", class: "tile", "data-id": `tile-${tile.key}`, onclick: () => this.detail.open(tile.key) },
      make("div", { class: "picture" }, make("img", { src: tile.thumbnail, alt: "", loading: "lazy" })),
      make("span", { class: `text ${tile.tone}` }, tile.tone === "unsure" ? `Maybe: ${tile.text}` : tile.text),
      make("span", { class: `word ${tile.tone}` }, draft ? "Unsaved edit" : tile.word),
      make("span", { class: "name" }, tile.name),
    );
  }

  showRefused() {
    const refused = this.data.refused;
    this.part("refused").hidden = !refused.length;
    this.replaced(this.part("refused"), JSON.stringify(refused), () => {
      const grouped = new Map();
      refused.forEach(({ name, reason }) => grouped.set(reason, [...(grouped.get(reason) ?? []), name]));
      const lines = [...grouped].map(([reason, names]) =>
        make("li", {}, make("b", {}, names.join(", ")), make("span", {}, ` ${reason}`)),
      );
      return [
        make("h2", {}, `${count(refused.length, "file", "files")} could not be captioned`),
        make("ul", {}, ...lines.slice(0, 3)),
        lines.length > 3 &&
          make("details", {}, make("summary", {}, `Show ${lines.length - 3} more`), make("ul", {}, ...lines.slice(3))),
        button("Dismiss", "dismiss", () => this.order("dismiss")),
      ];
    });
  }
}
