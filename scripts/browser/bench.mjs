// How long a reader waits for a report: opening it, scrolling it and searching it, as JSON. BenchmarkPageInChromium of pkg/report runs it.
//
//   CHROMIUM=$(scripts/browser.sh) node scripts/browser/bench.mjs REPORT.html
import { launch, open } from "./browser.mjs";

const report = process.argv[2];
if (!report) {
  console.error("bench.mjs: give the report");
  process.exit(1);
}
const rounds = 7;
const median = numbers => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
const frame = page => page.evaluate(() => new Promise(done => requestAnimationFrame(() => setTimeout(() => done(performance.now())))));
const taken = { open: [], paint: [], frame: [], slowest: [], jump: [], search: [] };

const browser = await launch();
for (let round = 0; round < rounds; round++) {
  const { page, close } = await open(browser, report, {}, () => addEventListener("load", () => requestAnimationFrame(() => setTimeout(() => { window.drawn = performance.now(); }))));
  // Open: all of the file has been read, the list can be filtered, and has been drawn.
  await page.waitForFunction(() => window.drawn && document.getElementById("shown").textContent.endsWith("shown"));
  taken.open.push(await page.evaluate(() => window.drawn));
  taken.paint.push(await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime));

  // Two seconds of a wheel that goes faster than a reader reads: what each frame took.
  const frames = await page.evaluate(() => new Promise(done => {
    const all = [];
    let last = performance.now();
    const step = now => {
      all.push(now - last);
      last = now;
      window.scrollBy(0, 240);
      if (all.length < 120) requestAnimationFrame(step);
      else done(all.slice(1));
    };
    requestAnimationFrame(step);
  }));
  taken.frame.push(median(frames));
  taken.slowest.push(Math.max(...frames));

  // The bar of the window pulled to the end at once.
  const begin = await page.evaluate(() => { const now = performance.now(); window.scrollTo(0, document.documentElement.scrollHeight); return now; });
  taken.jump.push(await frame(page) - begin);

  // The first search collects what is searched: the longest there is.
  taken.search.push(await page.evaluate(() => new Promise(done => {
    const shown = document.getElementById("shown"), begin = performance.now();
    new MutationObserver(() => requestAnimationFrame(() => setTimeout(() => done(performance.now() - begin)))).observe(shown, { childList: true });
    const field = document.querySelector("[name=q]");
    field.value = "service-3332";
    field.dispatchEvent(new Event("input", { bubbles: true }));
  })));
  await close();
}
await browser.close();
console.log(JSON.stringify(Object.fromEntries(Object.entries(taken).map(([name, all]) => [name, { median: median(all), worst: Math.max(...all) }]))));
