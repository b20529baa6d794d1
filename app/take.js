// Actions for all photos: download the captions, or delete the photos.

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
        usual.title = "A table for Excel and other spreadsheet programs";
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

  // Save the files that this page has requested; the server also sends earlier ones.
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
