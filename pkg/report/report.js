"use strict";
(() => {
  const page = document.documentElement;
  const said = document.getElementById("said");
  page.classList.add("js");

  // The secrets of a large account are held as text, some fifty together. Rows are made of it when they come near the window, when the browser has
  // nothing else to do, or when all are asked for; what a secret opens to is made when it is opened. It is this page's own markup, in which
  // all else is escaped; the parser runs nothing, and the content policy would not let it.
  const policy = window.trustedTypes ? trustedTypes.createPolicy("report", { createHTML: text => text }) : { createHTML: text => text };
  const parse = markup => new DOMParser().parseFromString(policy.createHTML(markup), "text/html").body.childNodes;
  const waiting = new Map(); // texts by the lists that their rows belong into
  const bodies = new WeakMap(); // texts of what rows open to
  const head = '\n<li class="row', summary = "</summary>", foot = "</details>";
  const make = part => {
    const text = waiting.get(part);
    if (text === undefined) return;
    waiting.delete(part);
    const texts = text.split(head).slice(1).map(row => {
      const end = row.indexOf(summary) + summary.length;
      return [head + row.slice(0, end) + foot, row.slice(end, row.lastIndexOf(foot))];
    });
    part.append(...parse(texts.map(([row]) => row).join("")));
    [...part.children].forEach((row, i) => bodies.set(row, texts[i][1]));
    part.classList.remove("waiting");
  };
  const makeAll = () => { for (const part of [...waiting.keys()]) make(part); };
  const fill = row => {
    const text = bodies.get(row);
    if (text === undefined) return;
    bodies.delete(row);
    row.firstElementChild.append(...parse(text));
  };
  document.addEventListener("toggle", event => {
    const row = event.target.open && event.target.closest(".row");
    if (row) fill(row);
  }, true);
  const near = new IntersectionObserver(seen => {
    for (const { target, isIntersecting } of seen) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      make(target);
    }
  }, { rootMargin: "150% 0px" });
  for (const text of document.querySelectorAll("#rows > noscript")) {
    const part = document.createElement("ul");
    part.className = "waiting";
    part.style.setProperty("--shown", text.textContent.split(head).length - 1);
    waiting.set(part, text.textContent);
    text.replaceWith(part);
    near.observe(part);
  }
  const soon = window.requestIdleCallback || (act => setTimeout(() => act({ timeRemaining: () => 0 }), 50));
  const rest = deadline => {
    do {
      const [part] = waiting.keys();
      if (!part) return;
      make(part);
    } while (deadline.timeRemaining() > 8);
    soon(rest);
  };
  window.addEventListener("load", () => soon(rest));

  // Copying works from a file too; where the browser refuses it, the text is selected.
  document.addEventListener("click", async event => {
    const button = event.target.closest("button.copy");
    if (!button) return;
    const text = button.parentElement.querySelector("pre");
    let answer = "Copied";
    try {
      await navigator.clipboard.writeText(text.textContent);
    } catch {
      getSelection().selectAllChildren(text);
      answer = "Selected";
    }
    const label = button.firstChild, was = "Copy";
    label.textContent = answer;
    said.textContent = answer + button.querySelector(".vh").textContent;
    setTimeout(() => { label.textContent = was; said.textContent = ""; }, 1600);
  });

  // What is linked to is opened, and the way to it too.
  const reveal = () => {
    const id = decode(location.hash.slice(1));
    if (!id || id.startsWith("?")) return;
    if (!document.getElementById(id)) {
      const named = text => text !== undefined && text.includes(` id="${id}"`);
      for (const [part, text] of waiting) if (named(text)) make(part);
      for (const row of document.querySelectorAll("#rows .row")) if (named(bodies.get(row))) fill(row);
    }
    const target = document.getElementById(id);
    if (!target) return;
    const row = target.closest(".row, .change");
    if (!row) return;
    if (row.hidden && filter) { filter.reset(); }
    for (let e = target.matches(".row, .change") ? target.querySelector("details") : target; e && e !== document.body; e = e.parentElement) {
      if (e.tagName === "DETAILS") e.open = true;
    }
    target.scrollIntoView({ block: "start" });
    (target.querySelector("summary") || row.querySelector("summary")).focus({ preventScroll: true });
  };
  const decode = text => {
    try { return decodeURIComponent(text); } catch { return ""; }
  };

  const filter = newFilter();
  window.addEventListener("hashchange", reveal);
  reveal();
  // Once more, as the browser takes the focus away when it goes to what the address names.
  window.addEventListener("load", () => setTimeout(reveal));

  // Paper has nothing to click: what is not in sync, and every change, is printed open.
  let opened = [];
  window.addEventListener("beforeprint", () => {
    makeAll();
    opened = [...document.querySelectorAll(".worse:not([hidden]) > details:not([open]), .change > details:not([open])")];
    for (const e of opened) {
      fill(e.parentElement);
      e.open = true;
    }
  });
  window.addEventListener("afterprint", () => {
    for (const e of opened) e.open = false;
  });

  function newFilter() {
    const form = document.getElementById("filter");
    if (!form) return null;
    const list = document.getElementById("rows");
    const shown = document.getElementById("shown");
    const nothing = document.getElementById("nothing");
    const openAll = document.getElementById("open");
    const openMost = 300; // opening more at once would keep the browser busy for seconds
    const ranks = ["critical", "high", "medium", "low", "info"];
    const chunks = Array.from(list.children), total = parseInt(shown.textContent, 10);
    let rows = [], chunk = 0;
    let order = "soonest", timer = 0, full = false, suggested = false;
    form.hidden = false;

    // The text of markup: tags left out, the references undone that the page is written with.
    const names = { lt: "<", gt: ">", amp: "&", quot: '"' };
    const plain = markup => markup.replace(/<[^>]*>/g, " ").replace(/&(?:#(\d+)|(\w+));/g, (all, code, name) => (code ? String.fromCodePoint(code) : names[name] || all));

    const know = () => {
      if (rows.length) return;
      makeAll();
      rows = Array.from(list.querySelectorAll(".row"), (element, place) => ({ element, place }));
      chunk = chunks[0].children.length;
    };

    // What is searched is collected when it is first needed.
    const collect = () => {
      if (full) return;
      full = true;
      know();
      for (const row of rows) {
        const e = row.element, markup = bodies.get(e);
        row.name = e.querySelector(".name").textContent;
        row.fn = e.querySelector(".fn").textContent;
        if (markup) {
          row.text = (e.querySelector("summary").textContent + " " + plain(markup)).toLowerCase();
          row.tags = Array.from(markup.matchAll(/<span class="tag">([^<]*)</g), m => plain(m[1]));
        } else {
          row.text = e.textContent.toLowerCase();
          row.tags = Array.from(e.querySelectorAll(".tag"), t => t.textContent);
        }
        row.rank = ranks.findIndex(s => (e.dataset.s || "").split(" ").includes(s));
        if (row.rank < 0) row.rank = ranks.length;
      }
    };

    const suggest = () => {
      if (suggested) return;
      suggested = true;
      collect();
      const fill = (id, values) => {
        const count = new Map();
        for (const v of values) if (v) count.set(v, (count.get(v) || 0) + 1);
        const most = [...count].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, 500);
        document.getElementById(id).replaceChildren(...most.map(([value]) => {
          const option = document.createElement("option");
          option.value = value;
          return option;
        }));
      };
      fill("functions", rows.map(r => r.fn));
      fill("tags", rows.flatMap(r => r.tags));
    };

    const sort = by => {
      if (by === order) return;
      order = by;
      collect();
      const compare = {
        soonest: (a, b) => a.place - b.place,
        severity: (a, b) => a.rank - b.rank || a.place - b.place,
        name: (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.place - b.place),
      }[by];
      // Outside of the page, because moving rows one by one inside of it makes the browser look at the page for each.
      const after = list.nextSibling;
      list.remove();
      rows.sort(compare).forEach((row, i) => chunks[Math.floor(i / chunk)].append(row.element));
      after.before(list);
    };

    const apply = () => {
      clearTimeout(timer);
      const data = new FormData(form);
      const words = data.get("q").toLowerCase().split(/\s+/).filter(Boolean);
      const fn = data.get("function").trim().toLowerCase(), tag = data.get("tag").trim().toLowerCase();
      const places = (data.get("account") || "").toLowerCase().split(/\s+/).filter(Boolean);
      const verdicts = new Set(data.getAll("verdict")), severities = data.getAll("severity");
      if (!rows.length && !words.length && !fn && !tag && !places.length && !verdicts.size && !severities.length && data.get("order") === order) {
        tell(total);
        return;
      }
      know();
      if (words.length || fn || tag) collect();
      sort(data.get("order"));
      let n = 0;
      const counts = new Array(chunks.length).fill(0);
      rows.forEach((row, i) => {
        const { v, s = "", p = "" } = row.element.dataset;
        const passes = (!verdicts.size || verdicts.has(v)) &&
          (!severities.length || severities.some(name => s.split(" ").includes(name))) &&
          (!places.length || places.every(word => p.toLowerCase().includes(word))) &&
          (!fn || row.fn.toLowerCase().includes(fn)) &&
          (!tag || row.tags.some(t => t.toLowerCase().includes(tag))) &&
          words.every(word => row.text.includes(word));
        if (row.element.hidden === passes) row.element.hidden = !passes;
        if (passes) { n++; counts[Math.floor(i / chunk)]++; }
      });
      chunks.forEach((e, i) => {
        e.hidden = counts[i] === 0;
        e.style.setProperty("--shown", counts[i]);
      });
      tell(n);
    };
    const tell = n => {
      shown.textContent = n === total ? n + " shown" : n + " of " + total + " shown";
      nothing.hidden = n > 0;
      list.hidden = n === 0;
      openAll.hidden = n === 0 || n > openMost;
    };

    // The filter is kept in the address, so that it can be sent to somebody.
    const remember = () => {
      const query = new URLSearchParams([...new FormData(form)].filter(([name, value]) => value && !(name === "order" && value === "soonest")));
      const text = query.toString();
      try { history.replaceState(null, "", text ? "#?" + text : location.pathname + location.search); } catch { /* a page without an address */ }
    };
    const recall = () => {
      if (!location.hash.startsWith("#?")) return;
      for (const [name, value] of new URLSearchParams(location.hash.slice(2))) {
        const field = form.elements.namedItem(name);
        if (!field) continue;
        const boxes = field instanceof RadioNodeList ? [...field] : [field];
        for (const box of boxes) {
          if (box.type === "checkbox") box.checked = box.checked || box.value === value;
          else if (box.tagName !== "SELECT" || [...box.options].some(o => o.value === value)) box.value = value;
        }
      }
    };

    form.addEventListener("submit", event => event.preventDefault());
    form.addEventListener("focusin", event => { if (event.target.list) suggest(); });
    form.addEventListener("input", event => {
      clearTimeout(timer);
      timer = setTimeout(() => { apply(); remember(); }, event.target.type === "search" ? 120 : 0);
    });
    form.addEventListener("reset", () => setTimeout(() => { apply(); remember(); }));
    openAll.addEventListener("click", () => {
      for (const row of rows) if (!row.element.hidden) row.element.querySelector("details").open = true;
    });
    document.addEventListener("click", event => {
      const pick = event.target.closest("a[data-pick]");
      if (!pick) return;
      form.reset();
      for (const box of form.querySelectorAll("[name=verdict]")) box.checked = box.value === pick.dataset.pick;
      setTimeout(() => { apply(); remember(); });
    });
    recall();
    apply();

    return {
      reset() {
        for (const e of form.querySelectorAll(":checked, [type=search]")) { e.checked = false; if (e.type === "search") e.value = ""; }
        apply();
      },
    };
  }
})();
