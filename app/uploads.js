// Uploads of photos. Streamlit delivers a selection only when all of it is uploaded. So the browser sends a few photos
// at a time: the first captions appear while the other photos are still being uploaded.
//
// There is one instance per browser tab, so that nothing is lost when the visitor opens another page.

const PATIENCE = 3000; // milliseconds until an upload counts as lost

class Uploads {
  constructor() {
    this.waiting = []; // { key, file } that the server has not received
    this.total = { files: 0, bytes: 0 }; // including received files
    this.atOnce = 1;
    this.sent = null; // the current upload: the first `count` waiting files
    this.patience = PATIENCE;
    this.key = 0;
    document.addEventListener("change", (event) => this.take(event), true);
    document.addEventListener("drop", (event) => this.take(event), true);
    setInterval(() => this.go(), 500);
  }

  // Intercept selected files until it is their turn.
  take(event) {
    const given = event.dataTransfer ?? event.target;
    const files = [...(given?.files ?? [])];
    if (this.passing || !files.length || !this.album.section.isConnected) return;
    const uploader = event.target.closest?.('[class*="st-key-upload-"]');
    const folder = [...(event.dataTransfer?.items ?? [])].some((item) => item.webkitGetAsEntry?.()?.isDirectory);
    if (!uploader || folder) {
      this.refuseBig(files); // Streamlit handles folders itself
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    if (event.dataTransfer) event.target.dispatchEvent(new DragEvent("dragleave", { bubbles: true }));
    else event.target.value = "";
    this.add(files);
  }

  // Report files above the size limit, which never reach the server.
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

  // The tiles that the album shows for waiting files.
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

  // Called with the number of the server's uploader, which grows with each delivery.
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

  // Streamlit drops files if the visitor opens another page before the server has processed them. An uploader delivers
  // only once, so sending the same files again is safe.
  lost(uploader) {
    const now = Date.now();
    if (uploader.querySelector('[data-testid="stFileChipIconSpinner"]')) this.sent.quiet = now;
    const idle = document.querySelector('[data-testid="stApp"]')?.dataset.testScriptState === "notRunning";
    if (!idle || now - this.sent.quiet < this.patience) return false;
    this.patience *= 2; // the server may just be slow
    uploader.querySelectorAll('[data-testid="stFileChipDeleteBtn"] button').forEach((one) => one.click());
    return true;
  }

  // Report failed uploads to the server.
  dropFailed(uploader) {
    for (const icon of uploader.querySelectorAll('[data-testid="stFileChipIconError"]')) {
      const chip = icon.closest('[data-testid="stFileChip"]');
      const name = chip.querySelector('[data-testid="stFileChipName"]')?.title; // the visible text may be truncated
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

  // Drop all waiting files except those already being uploaded.
  stop() {
    const left = this.waiting.splice(this.sent?.count ?? 0);
    this.total.files -= left.length;
    this.total.bytes -= left.reduce((sum, { file }) => sum + file.size, 0);
    this.album.redraw();
  }
}
