// Takes pictures of a report as a reader meets it: the story, a secret opened, on a wide and on a narrow screen, light and dark.
//
//   node scripts/browser/screenshots.mjs REPORT.html FOLDER
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { launch, open } from "./browser.mjs";

const [report, folder] = process.argv.slice(2);
if (!folder) {
  console.error("screenshots.mjs: give the report and the folder for its pictures");
  process.exit(1);
}
mkdirSync(folder, { recursive: true });
const browser = await launch();
for (const [width, colorScheme] of [[1280, "light"], [1280, "dark"], [390, "light"]]) {
  const { page, close } = await open(browser, report, { viewport: { width, height: 900 }, deviceScaleFactor: 2, colorScheme });
  const take = async what => {
    const path = join(folder, `${what}-${width}-${colorScheme}.png`);
    await page.screenshot({ path });
    console.log(path);
  };
  await take("story");
  const worst = page.locator("#rows .row.worse summary").first();
  if (await worst.count()) {
    await worst.click();
    await worst.evaluate(e => e.scrollIntoView());
    await take("secret");
  }
  await close();
}
await browser.close();
