// The detail view of the gallery. It is concatenated with album.js into one script.

class Detail {
  constructor(album) {
    this.album = album;
    this.dialog = album.part("detail");
    this.keys = [];
    this.key = 0;
    this.editing = false;
    this.doubt = null;
    this.why = false;
    this.dialog.addEventListener("close", () => this.closed());
    this.dialog.addEventListener("cancel", (event) => {
      if (this.editing && this.tile?.tone !== "unsure") {
        event.preventDefault();
        this.edit(false);
      }
    });
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
    this.dialog.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step && event.target.tagName !== "TEXTAREA" && !event.altKey && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        this.step(step);
      }
    });
  }

  get tile() {
    return this.album.data.tiles.find((tile) => tile.key === this.key && tile.tone !== "waiting");
  }

  open(key) {
    this.keys = [];
    this.go(key);
    this.dialog.showModal();
    this.focus("close");
  }

  // The photos to step through: those that matched the filter when the view was opened, and later ones.
  addKeys() {
    const shown = this.album.served.tiles.filter((tile) => this.album.matches(tile) && !this.keys.includes(tile.key));
    this.keys.push(...shown.map((tile) => tile.key));
  }

  go(key) {
    this.key = key;
    this.doubt = null;
    this.editing = this.album.drafts.has(key) || this.tile?.tone === "unsure";
    this.dialog.signature = "";
    this.show();
    if (this.why) this.explain();
  }

  // Skip photos that are not captioned yet or have been deleted.
  near(step) {
    const there = new Set(this.album.data.tiles.filter((tile) => tile.tone !== "waiting").map((tile) => tile.key));
    let place = this.keys.indexOf(this.key) + step;
    while (place >= 0 && place < this.keys.length && !there.has(this.keys[place])) place += step;
    return this.keys[place];
  }

  step(step) {
    const key = this.near(step);
    if (key !== undefined) this.album.keepFocus(() => this.go(key));
  }

  closed() {
    this.editing = false;
    this.album.showTiles();
    this.album.tiles.get(this.key)?.querySelector("button")?.focus({ preventScroll: true });
  }

  focus(id) {
    this.dialog.querySelector(`[data-id="${id}"]`)?.focus({ preventScroll: id !== "words" });
  }

  show() {
    const tile = this.tile;
    if (!tile) {
      if (this.dialog.open) this.dialog.close();
      return;
    }
    this.addKeys();
    const place = this.keys.indexOf(this.key) + 1;
    const state = [tile, this.editing, this.doubt, this.why, place, this.keys.length, this.near(-1), this.near(1)];
    const scrolled = this.dialog.scrollTop;
    this.album.keepFocus(() =>
      this.album.replaced(this.dialog, JSON.stringify(state), () => [
        this.bar(tile, place),
        make("div", { class: "body" }, this.picture(tile), this.words(tile)),
      ]),
    );
    this.dialog.scrollTop = scrolled;
  }

  bar(tile, place) {
    const arrow = (label, sign, id, step) =>
      button(sign, id, () => this.step(step), { "aria-label": label, title: label, disabled: this.near(step) === undefined });
    return make(
      "div",
      { class: "bar" },
      make("h2", { class: "name", id: "detail-name" }, tile.name),
      make("span", { class: "place" }, `${place} of ${this.keys.length}`),
      arrow("Previous photo", "‹", "previous", -1),
      arrow("Next photo", "›", "next", 1),
      button("×", "close", () => this.dialog.close(), { "aria-label": "Close", title: "Close" }),
    );
  }

  picture(tile) {
    const [left, top, width, height] = (tile.area ?? []).map((share) => `${100 * share}%`);
    const area = this.why && tile.area && make("div", { class: "area" });
    if (area) Object.assign(area.style, { left, top, width, height });
    return make("div", { class: "photo" }, make("div", { class: "frame" }, make("img", { src: tile.picture, alt: tile.text }), area || null));
  }

  words(tile) {
    const unsure = tile.tone === "unsure";
    return make(
      "div",
      { class: "words" },
      unsure
        ? make("p", { class: "maybe" }, tile.nothing ? "The model did not recognize anything in this photo. Its guess:" : "Not sure. Maybe:")
        : make("p", { class: `word ${tile.tone}` }, tile.word),
      this.editing ? this.box(tile) : make("p", { class: "caption" }, ...this.marked(tile)),
      this.editing ? null : this.choices(tile),
      make("p", { class: "help" }, tile.help),
      tile.hint && make("p", { class: "help" }, tile.hint),
      this.actions(tile),
      this.suggestions(tile),
      tile.english && make("div", { class: "english" }, make("h3", {}, "English original"), make("p", {}, tile.english)),
      this.because(tile),
    );
  }

  // The caption, with doubtful words as buttons.
  marked(tile) {
    const parts = [];
    let end = 0;
    for (const [number, doubt] of tile.doubts.entries()) {
      parts.push(tile.text.slice(end, doubt.start));
      const word = tile.text.slice(doubt.start, doubt.end);
      parts.push(
        doubt.others.length
          ? button(word, `doubt-${number}`, () => this.choose(number), {
              class: "doubt",
              title: "The model is unsure about this word. Select it for alternatives.",
              "aria-expanded": this.doubt === number ? "true" : "false",
            })
          : make("span", { class: "doubt", title: "The model is unsure about this word." }, word),
      );
      end = doubt.end;
    }
    return [...parts, tile.text.slice(end)];
  }

  choose(number) {
    this.doubt = this.doubt === number ? null : number;
    this.show();
  }

  choices(tile) {
    const doubt = tile.doubts[this.doubt];
    if (!doubt) return null;
    const take = ({ word, text }) => button(word, `word-${word}`, () => this.take(text), { class: "choice" });
    return make("div", { class: "choices" }, make("span", {}, "Replace with:"), ...doubt.others.map(take));
  }

  take(text) {
    this.doubt = null;
    this.album.drafts.delete(this.key);
    this.editing = false;
    this.album.order("choose", this.key, text);
    this.focus("close");
  }

  box(tile) {
    const { drafts } = this.album;
    const area = make("textarea", { "data-id": "words", rows: 3, maxlength: 1000, "aria-label": `Caption for ${tile.name}` });
    area.value = drafts.get(tile.key) ?? tile.text;
    area.oninput = () => (area.value === tile.text ? drafts.delete(tile.key) : drafts.set(tile.key, area.value));
    area.onkeydown = (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.save(area.value);
      }
    };
    return make(
      "div",
      { class: "box" },
      area,
      button("Save", "save", () => this.save(area.value), { class: "primary" }),
      tile.tone !== "unsure" &&
        button("Cancel", "stop", () => {
          drafts.delete(tile.key);
          this.edit(false);
        }),
    );
  }

  edit(on) {
    this.editing = on;
    this.show();
    this.focus(on ? "words" : "edit");
  }

  save(text) {
    this.album.drafts.delete(this.key);
    this.album.order("write", this.key, text);
    this.editing = false;
    this.show();
    this.focus("edit");
  }

  actions(tile) {
    const key = tile.key;
    return make(
      "div",
      { class: "actions" },
      tile.check && !this.editing && button("Keep this caption", "keep", () => this.take(tile.text), { class: "primary" }),
      !this.editing && button("Edit", "edit", () => this.edit(true)),
      button("Copy", "copy", (event) => this.copy(event.target, tile.text), { "aria-live": "polite" }),
      button("Delete photo", "remove", () => this.remove(key)),
    );
  }

  remove(key) {
    const next = this.near(1) ?? this.near(-1);
    this.album.order("remove", key);
    if (next === undefined) this.dialog.close();
    else this.go(next);
    this.focus("close");
  }

  async copy(place, text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // The clipboard API works only over HTTPS and on localhost.
      const area = make("textarea");
      area.value = text;
      this.dialog.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    place.textContent = "Copied";
    setTimeout(() => (place.textContent = "Copy"), 1500);
    this.album.order("copied", this.key);
  }

  suggestions(tile) {
    if (!tile.others.length && !tile.original) return null;
    return make(
      "div",
      { class: "suggestions" },
      make("h3", {}, "Other suggestions"),
      make(
        "ul",
        {},
        tile.original &&
          make("li", {}, button(tile.original, "original", () => this.album.order("write", tile.key, "")), make("span", { class: "help" }, "Original caption by the model")),
        ...tile.others.map((text, number) => make("li", {}, button(text, `other-${number}`, () => this.take(text)))),
      ),
    );
  }

  because(tile) {
    if (tile.original) return null; // the analysis is of the model's caption
    const toggle = button("Why this caption?", "why", () => {
      this.why = !this.why;
      if (this.why) this.explain();
      this.show();
    }, { "aria-expanded": this.why ? "true" : "false", class: "why" });
    let said = null;
    if (this.why) {
      said = tile.explained
        ? tile.area
          ? "The caption depends most on the outlined area."
          : "No single area stands out: the caption depends on the whole photo."
        : "Blurring one part of the photo after another to find out…";
    }
    const table = this.why && tile.translation && [
      make("h3", {}, "How it was translated"),
      make("img", { src: tile.translation, alt: `Table of the words of “${tile.text}” and “${tile.english}”. A darker cell means more attention.` }),
    ];
    return make("div", { class: "because" }, toggle, make("p", { class: "help", "aria-live": "polite" }, said ?? ""), ...(table || []));
  }

  explain() {
    if (this.tile && !this.tile.explained) this.album.order("explain", this.key);
  }
}
