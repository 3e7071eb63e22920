(() => {
  const rows = [...document.querySelectorAll("details.secret")];
  const search = document.getElementById("search");
  const boxes = [...document.querySelectorAll("input[data-verdict]")];
  const shown = document.getElementById("shown");
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const on = new Set(boxes.filter(b => b.checked).map(b => b.dataset.verdict));
    let n = 0;
    for (const row of rows) {
      const hit = on.has(row.dataset.verdict) && words.every(w => row.dataset.text.includes(w));
      row.hidden = !hit;
      if (hit) n++;
    }
    shown.textContent = n + " of " + rows.length + " shown";
  };
  search.addEventListener("input", filter);
  boxes.forEach(b => b.addEventListener("change", filter));
  document.addEventListener("click", async event => {
    const button = event.target.closest("button.copy");
    if (!button) return;
    const text = button.parentElement.querySelector("pre").textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(button.parentElement.querySelector("pre"));
      button.textContent = "selected";
    }
  });
  window.addEventListener("beforeprint", () => rows.forEach(r => { if (r.dataset.drift) r.open = true; }));
  document.querySelectorAll(".scripted").forEach(e => { e.hidden = false; });
  filter();
})();
