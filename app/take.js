// What can be done with all captions at once: download them, or delete all photos.

class Take {
  constructor(album) {
    this.album = album;
    this.more = false;
  }

  show() {
    const { tiles, exports } = this.album.served;
    const place = this.album.part("take");
    place.hidden = !tiles.length;
    this.album.replaced(place, JSON.stringify([exports, this.more]), () => {
      const [usual, ...others] = exports.map(({ name, label }) =>
        button(label, `export-${name}`, () => this.album.order("export", 0, name)),
      );
      if (usual) {
        usual.classList.add("primary");
        usual.title = "A spreadsheet (CSV) for Excel and similar programs";
      }
      return [
        usual,
        usual && button("Other formats", "formats", () => this.toggle(), { "aria-expanded": `${this.more}` }),
        usual && this.more && make("div", { class: "formats", role: "group", "aria-label": "Other formats" }, ...others),
        button("Delete all photos", "remove-all", () => this.removeAll(), { class: "plain" }),
      ];
    });
  }

  removeAll() {
    this.album.uploads.stop();
    this.album.order("remove all");
  }

  toggle() {
    this.more = !this.more;
    this.album.keepFocus(() => this.show());
  }

  // Save the files that this page still waits for; the server also sends those that it made before.
  save(files, awaited) {
    for (const { number, name, kind, content } of files) {
      if (!awaited.has(number)) continue;
      const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
      const address = URL.createObjectURL(new Blob([bytes], { type: kind }));
      make("a", { href: address, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(address), 60000);
    }
  }
}
