// A browser that opens files only, and remembers whatever a page did besides showing itself.
import { chromium } from "playwright-core";
import { pathToFileURL } from "node:url";

export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM,
    // Root may not use the browser's sandbox; containers have little shared memory; the browser's own services are not the page's.
    chromiumSandbox: false,
    args: ["--disable-dev-shm-usage", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"],
  });

// open shows a file; first runs in the page before its own script. did is what the page did: scripts that failed, dialogs, requests beyond its own file, windows.
export const open = async (browser, file, { hash = "", ...options } = {}, first = () => {}) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, permissions: ["clipboard-read", "clipboard-write"], ...options });
  const did = [];
  const address = pathToFileURL(file).href;
  context.on("request", request => {
    if (request.url().split("#")[0] !== address) did.push("request " + request.url());
  });
  const page = await context.newPage();
  context.on("page", () => did.push("window"));
  page.on("dialog", dialog => {
    did.push("dialog " + dialog.message());
    dialog.dismiss();
  });
  page.on("pageerror", error => did.push("error " + error.message));
  page.on("console", message => did.push(message.type() + " " + message.text()));
  page.on("download", () => did.push("download"));
  await page.addInitScript(first);
  await page.goto(address + hash);
  return { page, did, close: () => context.close() };
};
