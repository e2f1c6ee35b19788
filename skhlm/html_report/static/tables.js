// Tables: a click on a heading sorts, a word narrows, and long ones are shown part by part.
{
  const PART = 100, SEARCHED = 12;
  const number = (text) => (text === "" ? NaN : Number(text.replace("inf", "Infinity")));
  const words = new Intl.Collator("en", { numeric: true });

  function sorted(rows, column, isNumber, sign) {
    const key = isNumber ? number : (text) => text;
    const compare = isNumber ? (a, b) => a - b : words.compare;
    return rows
      .map((row) => [key(row.texts[column]), row])
      .sort(([a], [b]) => {
        const empty = Number.isNaN(a) - Number.isNaN(b); // at the end, whichever the direction
        return empty || (Number.isNaN(a) ? 0 : sign * compare(a, b));
      })
      .map(([, row]) => row);
  }

  class Table {
    constructor(details) {
      this.details = details;
      this.body = details.querySelector("tbody");
      this.heads = [...details.querySelectorAll("th")];
      this.isNumber = this.heads.map((head) => head.classList.contains("number"));
      this.packed = details.querySelector("script.rows");
      this.limit = PART;
      this.rows = this.shown = [...this.body.rows].map((tr) => ({
        tr,
        texts: [...tr.cells].map((cell) => cell.textContent),
      }));
      if (!this.packed) this.limit = this.rows.length;
      this.heads.forEach((head, column) => this.addSorting(head, column));
      if (this.packed || this.rows.length > SEARCHED) this.addSearch();
    }

    addSorting(head, column) {
      const button = element("button", { type: "button", title: "sort" });
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", async () => {
        const sign = head.ariaSort === "ascending" ? -1 : 1;
        await this.load();
        for (const other of this.heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
        this.rows = sorted(this.rows, column, this.isNumber[column], sign);
        this.show();
      });
    }

    addSearch() {
      this.box = element("input", { type: "search", placeholder: "search these rows" });
      this.box.setAttribute("aria-label", "search these rows");
      this.count = element("span");
      this.more = element("button", { type: "button", hidden: true });
      this.box.addEventListener("input", async () => {
        await this.load();
        if (this.packed) this.limit = PART;
        this.show();
      });
      this.more.addEventListener("click", () => {
        this.limit += 5 * PART;
        this.show();
      });
      const wide = this.details.querySelector(".wide");
      wide.before(element("div", { className: "tools" }, this.box, this.count));
      wide.after(this.more);
      this.details.addEventListener("toggle", () => this.load().then(() => this.show()));
      if (this.details.open) this.load().then(() => this.show());
    }

    async load() {
      if (this.packed && !this.loaded) {
        this.loaded = unpack(this.packed.textContent);
        const columns = await this.loaded;
        this.rows = columns[0].map((_, i) => ({ texts: columns.map((column) => column[i]) }));
      }
      await this.loaded;
    }

    show() {
      const sought = (this.box?.value ?? "").trim().toLowerCase();
      const found = sought
        ? this.rows.filter((row) => row.texts.some((text) => text.toLowerCase().includes(sought)))
        : this.rows;
      const part = found.slice(0, this.limit);
      this.body.replaceChildren(...part.map((row) => (row.tr ??= this.made(row))));
      if (!this.box) return;
      const all = this.rows.length.toLocaleString("en");
      this.count.textContent =
        part.length < this.rows.length ? `${part.length.toLocaleString("en")} of ${all} rows` : "";
      this.more.hidden = part.length === found.length;
      this.more.textContent = `show more of ${found.length.toLocaleString("en")} rows`;
    }

    made(row) {
      const cell = (text, column) => {
        const className = this.isNumber[column] ? "number" : text.length > 40 ? "long" : "";
        return element("td", { className, textContent: text });
      };
      return element("tr", {}, ...row.texts.map(cell));
    }
  }

  for (const details of document.querySelectorAll("details.table")) new Table(details);

  // Paper has nothing to click on: all is open there, and as it was again on the screen.
  let folded = [];
  window.addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const details of folded) details.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const details of folded) details.open = false;
  });
}
