// Photos on their way to the server. Streamlit hands over a selection only when all of it is uploaded, so the browser
// passes photos on a few at a time: the first captions are there while the rest is still being uploaded.
//
// There is one for all visits to the page with the photos, so that nothing is lost when its visitor looks at another.

const PATIENCE = 3000; // milliseconds until what was uploaded must have arrived

class Uploads {
  constructor() {
    this.waiting = []; // { key, file } of what the server has not got yet
    this.total = { files: 0, bytes: 0 }; // with what has arrived
    this.atOnce = 1;
    this.sent = null; // what was given to Streamlit: the first `count` that wait
    this.patience = PATIENCE;
    this.key = 0;
    document.addEventListener("change", (event) => this.take(event), true);
    document.addEventListener("drop", (event) => this.take(event), true);
    setInterval(() => this.go(), 500);
  }

  // Keep chosen files from Streamlit until it is their turn.
  take(event) {
    const given = event.dataTransfer ?? event.target;
    const files = [...(given?.files ?? [])];
    if (this.passing || !files.length || !this.album.section.isConnected) return;
    const uploader = event.target.closest?.('[class*="st-key-upload-"]');
    const folder = [...(event.dataTransfer?.items ?? [])].some((item) => item.webkitGetAsEntry?.()?.isDirectory);
    if (!uploader || folder) {
      this.refuseBig(files); // Streamlit looks into folders by itself
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    if (event.dataTransfer) event.target.dispatchEvent(new DragEvent("dragleave", { bubbles: true }));
    else event.target.value = "";
    this.add(files);
  }

  // The server never hears of a file that is too big for it, unless it is told here.
  refuseBig(files) {
    const { limit } = this.album.data;
    files.filter((file) => file.size > limit).forEach((file) => this.album.order("big", 0, file.name));
    return files.filter((file) => file.size <= limit);
  }

  add(files) {
    for (const file of this.refuseBig(files)) {
      this.waiting.push({ key: --this.key, file });
      this.total.files += 1;
      this.total.bytes += file.size;
    }
    this.go();
    this.album.redraw();
  }

  // What the album shows of them.
  get tiles() {
    return this.waiting.map(({ key, file }, place) => ({
      key,
      name: file.name,
      text: "",
      thumbnail: "",
      tone: "waiting",
      word: place < (this.sent?.count ?? 0) ? "Uploading…" : "Waiting",
      check: false,
      edited: false,
    }));
  }

  get status() {
    const { files, bytes } = this.total;
    const left = this.waiting.reduce((sum, { file }) => sum + file.size, 0);
    const text = `Uploading photo ${files - this.waiting.length + 1} of ${files}`;
    return this.waiting.length ? { text, done: bytes - left, total: bytes || 1, uploading: true } : null;
  }

  // Note what the server has got: the number of its uploader grows with each delivery.
  arrive(turn) {
    if (!this.sent || this.sent.turn === turn) return;
    const fast = Date.now() - this.sent.since < 1000;
    this.atOnce = fast ? Math.min(8, 2 * this.atOnce) : Math.ceil(this.atOnce / 2);
    this.waiting.splice(0, this.sent.count);
    this.sent = null;
    this.patience = PATIENCE;
    this.restart();
  }

  restart() {
    if (!this.waiting.length) this.total = { files: 0, bytes: 0 };
  }

  go() {
    if (!this.album.section.isConnected) return;
    document.documentElement.toggleAttribute("data-uploading", this.waiting.length > 0);
    const { turn } = this.album.data;
    const uploader = document.querySelector(`.st-key-upload-${turn}`);
    const input = uploader?.querySelector("input");
    if (input && this.sent) this.dropFailed(uploader);
    if (!input || !this.waiting.length) return;
    if (this.sent && !this.lost(uploader)) return;
    const some = this.waiting.slice(0, this.atOnce);
    const all = new DataTransfer();
    some.forEach(({ file }) => all.items.add(file));
    this.sent = { turn, count: some.length, since: Date.now(), quiet: Date.now() };
    input.files = all.files;
    this.passing = true;
    input.dispatchEvent(new Event("change", { bubbles: true }));
    this.passing = false;
  }

  // Streamlit forgets files whose visitor looks at another page before the server has seen them. An uploader delivers
  // once, so it does no harm to give it the same files again.
  lost(uploader) {
    const now = Date.now();
    if (uploader.querySelector('[data-testid="stFileChipIconSpinner"]')) this.sent.quiet = now;
    const idle = document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState === "notRunning";
    if (!idle || now - this.sent.quiet < this.patience) return false;
    this.patience *= 2; // the server may only be slow
    uploader.querySelectorAll('[data-testid="stFileChipDeleteBtn"] button').forEach((one) => one.click());
    return true;
  }

  // Tell the server of files that did not get through.
  dropFailed(uploader) {
    for (const icon of uploader.querySelectorAll('[data-testid="stFileChipIconError"]')) {
      const chip = icon.closest('[data-testid="stFileChip"]');
      const name = chip.querySelector('[data-testid="stFileChipName"]')?.title; // its text may be cut
      const place = this.waiting.findIndex(({ file }, at) => at < this.sent.count && file.name === name);
      chip.querySelector('[data-testid="stFileChipDeleteBtn"] button')?.click();
      if (place < 0) continue;
      this.album.order("failed", 0, name);
      this.waiting.splice(place, 1);
      this.sent.count -= 1;
    }
    if (this.sent.count) return;
    this.sent = null;
    this.restart();
    this.album.redraw();
  }

  // Leave out all but what is already on its way.
  stop() {
    const left = this.waiting.splice(this.sent?.count ?? 0);
    this.total.files -= left.length;
    this.total.bytes -= left.reduce((sum, { file }) => sum + file.size, 0);
    this.album.redraw();
  }
}
