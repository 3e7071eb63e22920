// What a reader does with the HTML report, in a real browser. The pages are those that TestPageInChromium of pkg/report writes; the tests
// look at states, never at times.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { launch, open as openFile } from "./browser.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

// on opens a page, does something with it, and holds that the page did nothing besides.
const on = async (name, options, act) => {
  const { page, did, close } = await openFile(browser, join(process.env.PAGES, name + ".html"), options);
  await act(page);
  assert.deepEqual(did, [], "the page did something that nobody asked for");
  await close();
};
const openEverything = page => page.evaluate(() => {
  for (let n = -1; n !== (n = document.querySelectorAll("details:not([open])").length) && n > 0;) {
    for (const e of document.querySelectorAll("details:not([open])")) e.open = true;
  }
});
const openRows = async page => {
  await openEverything(page);
  // What a secret opens to is made when it is opened, and holds more that opens.
  await page.waitForFunction(() => ![...document.querySelectorAll(".row > details[open]")].some(e => e.children.length < 2));
  await openEverything(page);
};
const shown = async (page, text) => page.waitForFunction(want => document.getElementById("shown").textContent === want, text);
const visibleNames = page => page.locator("#rows .row:visible .name").allTextContents();
const lastFinding = name => readFileSync(join(process.env.PAGES, name + ".html"), "utf8").match(/.* id="(f-[^"]*)"/s)[1];
const focused = page => page.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim());

for (const name of ["broken", "repaired", "hostile", "unknown", "in-sync", "empty", "compared", "remembered", "fleet", "audit", "audit-hostile"]) {
  for (const [colorScheme, width] of [["light", 1280], ["dark", 390]]) {
    test(`${name} is accessible and fits, ${colorScheme}, ${width} wide`, async () => {
      await on(name, { colorScheme, viewport: { width, height: 900 }, bypassCSP: true }, async page => {
        await openRows(page);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        assert.equal(overflow, 0, "the page is wider than the window");
        await page.evaluate(axe);
        const { violations, passes } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
        assert.ok(passes.length > 20, "the checker looked at the page");
        const serious = violations.filter(v => v.impact === "serious" || v.impact === "critical");
        assert.deepEqual(serious.map(v => v.id + ": " + v.nodes.map(n => n.target.join(" ") + " " + n.failureSummary).join("; ")), []);
      });
    });
  }
}

test("light and dark are told apart", async () => {
  const backgrounds = [];
  for (const colorScheme of ["light", "dark"]) {
    await on("broken", { colorScheme }, async page => {
      backgrounds.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number)));
    });
  }
  assert.ok(backgrounds[0].every(c => c > 200) && backgrounds[1].every(c => c < 60), JSON.stringify(backgrounds));
});

test("the page begins with the story: what breaks soonest", async () => {
  await on("broken", {}, async page => {
    assert.match(await page.textContent("h1"), /2 of 5 rotating secrets cannot rotate/);
    assert.match(await page.textContent(".soon li >> nth=0"), /late\s+overdue by 3 days/);
    await page.click(".soon a >> nth=0");
    await page.waitForSelector("#rows .row details[open] .path");
    assert.ok(await page.evaluate(() => document.activeElement.matches("summary") && document.activeElement.textContent.includes("late")));
  });
});

test("the filter takes words, verdict, severity, function and tag, alone and together", async () => {
  await on("many", {}, async page => {
    await shown(page, "300 shown");
    await page.fill("[name=q]", "PutSecretValue db-00040");
    await shown(page, "1 of 300 shown");
    assert.deepEqual(await visibleNames(page), ["prod/service-0013/db-00040"]);
    await page.click("[type=reset]");
    await shown(page, "300 shown");
    await page.check("[name=verdict][value=broken]");
    await shown(page, "30 of 300 shown");
    await page.check("[name=verdict][value=drifted]");
    await shown(page, "60 of 300 shown");
    await page.check("[name=severity][value=info]");
    await shown(page, "30 of 300 shown");
    await page.click("[type=reset]");
    await page.fill("[name=function]", "service-0002/");
    await shown(page, "3 of 300 shown");
    await page.fill("[name=function]", "");
    await page.focus("[name=tag]");
    assert.ok((await page.locator("#tags option").evaluateAll(all => all.map(e => e.value))).includes("team=mail"));
    await page.fill("[name=tag]", "team=mail");
    await shown(page, "100 of 300 shown");
    await page.check("[name=verdict][value=broken]");
    await shown(page, "10 of 300 shown");
    assert.equal(await page.evaluate(() => location.hash), "#?tag=team%3Dmail&verdict=broken");
    await page.fill("[name=q]", "nothing is like this");
    await shown(page, "0 of 300 shown");
    assert.ok(await page.isVisible("#nothing"));
  });
});

test("a fleet's secrets are told apart by account, its name and Region", async () => {
  await on("fleet", {}, async page => {
    assert.deepEqual(await page.locator("#places option").evaluateAll(all => all.map(e => e.value)), ["111111111111 eu-west-1", "111111111111 us-east-1", "222222222222 eu-west-1 payments"]);
    for (const [text, want] of [["eu-west-1", "2 of 3 shown"], ["111111111111 us-east-1", "1 of 3 shown"], ["PAYMENTS", "1 of 3 shown"], ["4444", "0 of 3 shown"]]) {
      await page.fill("[name=account]", text);
      await shown(page, want);
    }
  });
  await on("fleet", { hash: "#?account=payments" }, page => shown(page, "1 of 3 shown"));
  await on("broken", { hash: "#?account=payments" }, async page => {
    assert.equal(await page.locator("[name=account]").count(), 0);
    await shown(page, "6 shown");
  });
});

test("colours that the reader forces leave every sign and border", async () => {
  await on("compared", { forcedColors: "active", reducedMotion: "reduce" }, async page => {
    await openRows(page);
    const borders = await page.evaluate(() => [".pill", ".node", ".finding", ".differs"].map(s => s + " " + getComputedStyle(document.querySelector(s)).borderLeftStyle));
    assert.deepEqual(borders.filter(b => b.endsWith("none")), []);
    const moving = await page.evaluate(() => [...document.querySelectorAll("*")].filter(e => parseFloat(getComputedStyle(e).transitionDuration) || getComputedStyle(e).animationName !== "none").length);
    assert.equal(moving, 0, "nothing moves");
  });
});

test("a filter can be sent as an address, and is ignored where it makes no sense", async () => {
  await on("many", { hash: "#?verdict=broken&q=service-001&order=name&evil=%3Cscript%3E" }, async page => {
    await shown(page, "3 of 300 shown");
    assert.equal(await page.inputValue("[name=q]"), "service-001");
    const names = await visibleNames(page);
    assert.deepEqual(names, [...names].sort());
  });
  await on("many", { hash: "#?verdict=x&order=y&q&%" }, page => shown(page, "300 shown"));
});

test("the order is soonest, worst or by name", async () => {
  await on("many", {}, async page => {
    await page.selectOption("[name=order]", "severity");
    await page.waitForFunction(() => document.querySelector("#rows .row").dataset.s.startsWith("critical"));
    await page.selectOption("[name=order]", "name");
    await page.waitForFunction(() => document.querySelector("#rows .row .name").textContent === "prod/service-0000/db-00000");
    await page.selectOption("[name=order]", "soonest");
    await page.waitForFunction(() => document.querySelector("#rows .row").dataset.v === "broken");
  });
});

test("a count of the story picks its verdict", async () => {
  await on("many", {}, async page => {
    await page.click("a[data-pick=drifted]");
    await shown(page, "30 of 300 shown");
    assert.ok(await page.isChecked("[name=verdict][value=drifted]"));
  });
});

test("a secret opens to its path, the witness and the fix", async () => {
  await on("broken", {}, async page => {
    const row = page.locator("#rows .row", { hasText: "late" }).first();
    assert.equal(await row.locator(".body").count(), 1);
    assert.ok(!await row.locator(".body").isVisible());
    await row.locator("summary").first().click();
    await row.locator(".body").waitFor();
    const hops = await row.locator(".path .step[data-h] .arrow b").allTextContents();
    assert.ok(hops.includes("denied"), hops.join());
    assert.match(await row.locator(".finding").first().textContent(), /Witness.*secretsmanager:GetSecretValue/s);
    assert.match(await row.locator(".fix").first().textContent(), /Let the execution role call/);
    await row.locator(".forms summary", { hasText: "Terraform" }).first().click();
    assert.match(await row.locator(".forms details[open] pre").first().textContent(), /aws_iam_policy_document|resource "aws_/);
  });
});

test("the policy as it stands is beside what mends it, with what differs marked", async () => {
  await on("compared", {}, async page => {
    const row = page.locator("#rows .row", { hasText: "near" }).first();
    await row.locator("summary").first().click();
    const [stands, becomes] = await row.locator(".compare > div").all();
    const [left, right] = [await stands.boundingBox(), await becomes.boundingBox()];
    assert.ok(left.x + left.width <= right.x + 2 && Math.abs(left.y - right.y) < 2, "side by side");
    assert.deepEqual(await stands.locator(".does").allTextContents(), ["Statement 4 comes nearest"]);
    assert.match((await stands.locator("mark").allTextContents()).join(" "), /aws:SourceAccount/);
    assert.equal(await stands.locator("pre:not(.differs) mark").count(), 0);
    assert.match(await becomes.locator("ins").textContent(), /"secretsmanager:GetSecretValue"/);
    // Each is JSON as it can be pasted.
    for (const pre of await row.locator(".compare pre").all()) JSON.parse(await pre.textContent());
    await page.setViewportSize({ width: 390, height: 900 });
    const [above, below] = [await stands.boundingBox(), await becomes.boundingBox()];
    assert.ok(above.y + above.height <= below.y + 2, "one above the other where it is narrow");
  });
});

test("each hop says what is allowed and what is denied", async () => {
  await on("paths", {}, async page => {
    const row = page.locator("#rows .row").first();
    await row.locator("summary").first().click();
    const hops = await row.locator(".path .step[data-h]").evaluateAll(all => all.map(e => e.querySelector(".node").lastChild.textContent.trim() + ": " +
      e.querySelector(".arrow b").textContent + " " + [...e.querySelectorAll(".arrow > code")].map(c => c.textContent).join(" ") + " | " + [...e.querySelectorAll(".may code")].map(c => c.textContent).join(" ")));
    assert.deepEqual(hops, [
      "rotate-app: allowed  | ", "rotate-app: allowed  | ", "app: denied PutSecretValue | GetRandomPassword DescribeSecret GetSecretValue UpdateSecretVersionStage", "k-1: allowed  | Decrypt GenerateDataKey",
    ]);
  });
});

test("the timeline tells of runs and leads to the secrets", async () => {
  await on("remembered", {}, async page => {
    await page.click("nav a[href='#timeline']");
    const runs = page.locator(".runs > li");
    assert.equal(await runs.count(), 6);
    assert.match(await runs.nth(3).textContent(), /2026-02-17 .* to 2026-02-19 .*3 runs: .*1 in-sync.*Nothing changed/s);
    assert.match(await runs.nth(2).textContent(), /DeleteRolePolicy by .*late was in-sync, is broken/s);
    await runs.nth(2).locator("a").click();
    await page.waitForSelector("#rows .row details[open] .body");
    const row = page.locator("#rows .row", { hasText: "late" }).first();
    assert.match(await row.locator(".body").textContent(), /History.*2026-02-24 .*was in-sync, is broken/s);
    assert.match(await row.locator(".finding").first().textContent(), /Stands since.*2026-02-24/s);
  });
});

test("nothing of a path covers anything else of it, however wide the window is", async () => {
  await on("paths", {}, async page => {
    await openRows(page);
    for (const width of [360, 800, 1000, 1100, 1210, 1280, 1600]) {
      await page.setViewportSize({ width, height: 900 });
      const covered = await page.evaluate(() => {
        const boxes = [...document.querySelectorAll(".path .node, .path .arrow b, .path .arrow i, .path .arrow code")].map(e => [e.textContent, e.getBoundingClientRect()]);
        return boxes.flatMap(([a, p], i) => boxes.slice(i + 1).filter(([, q]) =>
          p.left < q.right - 1 && q.left < p.right - 1 && p.top < q.bottom - 1 && q.top < p.bottom - 1).map(([b]) => a + " / " + b));
      });
      assert.deepEqual(covered, [], `${width} wide`);
    }
  });
});

test("copying gives the command as it is written, and says so", async () => {
  await on("broken", {}, async page => {
    const row = page.locator("#rows .row", { hasText: "late" }).first();
    await row.locator("summary").first().click();
    await row.locator(".copy").first().click();
    await page.waitForFunction(() => document.getElementById("said").textContent === "Copied the command");
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await row.locator(".code pre").first().textContent());
  });
});

test("where copying is refused the text is selected", async () => {
  await on("broken", {}, async page => {
    await page.evaluate(() => { navigator.clipboard.writeText = () => Promise.reject(new Error("refused")); });
    const row = page.locator("#rows .row", { hasText: "late" }).first();
    await row.locator("summary").first().click();
    await row.locator(".copy").first().click();
    await page.waitForFunction(() => document.getElementById("said").textContent === "Selected the command");
    assert.equal(await page.evaluate(() => getSelection().toString().trim()), (await row.locator(".code pre").first().textContent()).trim());
  });
});

test("everything is reached and worked by keyboard", async () => {
  await on("broken", {}, async page => {
    await page.keyboard.press("Tab");
    assert.equal(await focused(page), "Skip to the secrets");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.activeElement.id === "secrets");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.name), "q");
    await page.keyboard.type("late");
    await shown(page, "1 of 6 shown");
    for (let i = 0; i < 40 && !await page.evaluate(() => document.activeElement.matches("#rows summary")); i++) await page.keyboard.press("Tab");
    assert.ok(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle !== "none"), "where the focus is can be seen");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.activeElement.parentElement.open);
    for (let i = 0; i < 10 && !await page.evaluate(() => document.activeElement.matches(".copy")); i++) await page.keyboard.press("Tab");
    await page.keyboard.press("Space");
    await page.waitForFunction(() => document.getElementById("said").textContent === "Copied the command");
  });
});

test("paper shows what is not in sync and every change, and nothing to click", async () => {
  await on("repaired", {}, async page => {
    await page.evaluate(() => addEventListener("beforeprint", () => {
      window.printed = {
        worse: [...document.querySelectorAll(".worse > details")].map(e => e.open && Boolean(e.querySelector(".body"))),
        changes: [...document.querySelectorAll(".change > details")].map(e => e.open),
        quiet: [...document.querySelectorAll("#rows .row:not(.worse) > details")].map(e => e.open),
      };
    }));
    const paper = await page.pdf({ format: "A4" });
    assert.equal(paper.subarray(0, 5).toString(), "%PDF-");
    const { worse, changes, quiet } = await page.evaluate(() => window.printed);
    assert.ok(worse.length && worse.every(Boolean) && changes.length && changes.every(Boolean) && !quiet.some(Boolean), JSON.stringify({ worse, changes, quiet }));
    assert.equal(await page.locator(".row > details[open], .change > details[open]").count(), 0, "what was opened for paper is closed again");
    await page.emulateMedia({ media: "print", colorScheme: "dark" });
    for (const gone of ["nav", "form", ".copy"]) assert.equal(await page.locator(gone + ":visible").count(), 0, gone);
    assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(255, 255, 255)");
  });
});

test("hostile text is text wherever an account may put it", async () => {
  await on("attack", {}, async page => {
    await openRows(page);
    await page.focus("[name=function]");
    await page.focus("[name=tag]");
    for (const text of ["<script>alert(1)</script>", "\" onmouseover=\"alert(1)", "javascript:alert(1)"]) {
      await page.fill("[name=q]", text);
      await page.waitForFunction(() => location.hash.startsWith("#?q="));
    }
    await page.click("[type=reset]");
    await shown(page, await page.evaluate(() => document.querySelectorAll("#rows .row").length) + " shown");
    const bad = await page.evaluate(() => {
      const found = [];
      for (const e of document.querySelectorAll("*")) {
        if (/^(IMG|IFRAME|OBJECT|EMBED|LINK|BASE|TEMPLATE|VIDEO|AUDIO|SOURCE)$/.test(e.tagName)) found.push(e.tagName);
        for (const a of e.attributes) {
          if (a.name.startsWith("on") || a.name === "style" && !e.parentElement.matches("#rows") || a.name === "src" || a.name === "action") found.push(e.tagName + " " + a.name);
          if (a.name === "href" && !a.value.startsWith("#")) found.push("href " + a.value);
        }
      }
      if (document.scripts.length !== 1) found.push(document.scripts.length + " scripts");
      if (document.querySelectorAll("meta[http-equiv]").length !== 1) found.push("meta");
      return found;
    });
    assert.deepEqual(bad, []);
    for (const width of [360, 1280]) {
      await page.setViewportSize({ width, height: 900 });
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0, `the page is wider than ${width}`);
    }
    assert.match(await page.textContent("#rows"), /<script>alert\(1\)<\/script>/);
  });
});

test("ten thousand secrets open, scroll to the last, filter and open", async () => {
  await on("large", {}, async page => {
    await shown(page, "10000 shown");
    await page.waitForFunction(() => document.querySelectorAll("#rows .row").length === 10000);
    // What is far away is laid out when it comes near: it is scrolled to until it stands there.
    await page.waitForFunction(() => {
      const last = [...document.querySelectorAll("#rows .row")].at(-1);
      last.scrollIntoView({ block: "center" });
      const { top, bottom } = last.getBoundingClientRect();
      return bottom - top > 10 && top >= 0 && bottom <= innerHeight;
    });
    await page.fill("[name=q]", "service-3332");
    await shown(page, "3 of 10000 shown");
    await page.locator("#rows .row:visible summary").first().click();
    await page.waitForSelector("#rows .row:visible details[open] .body");
    // A finding in a secret that nobody has opened, by its address.
    const id = lastFinding("large");
    await page.evaluate(id => { location.hash = "#" + id; }, id);
    await page.waitForFunction(id => document.getElementById(id)?.closest("details").open, id);
    await shown(page, "10000 shown");
  });
});

test("a large account's secrets are found before the browser came to them", async () => {
  const id = lastFinding("large");
  await on("large", { hash: "#" + id }, page => page.waitForFunction(id => document.getElementById(id)?.closest("details").open, id));
  await on("large", { hash: "#?q=service-3332" }, async page => {
    await shown(page, "3 of 10000 shown");
    assert.deepEqual(await visibleNames(page), ["prod/service-3332/db-09996", "prod/service-3332/db-09997", "prod/service-3332/db-09998"]);
  });
});

test("paper has a large account's secrets too, open where they are not in sync", async () => {
  await on("held", {}, async page => {
    const printed = await page.evaluate(() => {
      dispatchEvent(new Event("beforeprint"));
      const open = [...document.querySelectorAll("#rows .row > details[open]")];
      return { rows: document.querySelectorAll("#rows .row").length, open: open.length, whole: open.filter(e => e.querySelector(".body .fix")).length };
    });
    assert.deepEqual(printed, { rows: 1000, open: 200, whole: 200 });
  });
});

test("without script a large account's secrets can be read too", async () => {
  await on("held", { javaScriptEnabled: false }, async page => {
    assert.equal(await page.locator("#rows .row").count(), 1000);
    const last = page.locator("#rows .row").last();
    await last.locator("summary").first().click();
    assert.ok(await last.locator(".body").isVisible());
  });
});

test("without script all of it can be read", async () => {
  await on("repaired", { javaScriptEnabled: false }, async page => {
    assert.ok(!await page.isVisible("#filter") && !await page.locator(".copy").first().isVisible());
    await page.locator("#rows summary").first().click();
    assert.ok(await page.locator("#rows .body").first().isVisible());
  });
});
