// What the page computes, run by node: `node page.test.js PAGE_JS`.
"use strict";
const assert = require("node:assert");
const page = require(process.argv[2]);

assert.equal(page.formatValue(null, "s", null), "–");
assert.equal(page.formatValue(1234.4, "", null), "1,234");
assert.equal(page.formatValue(0.004217, "", null), "0.0042");
assert.equal(page.formatValue(3_400_000, "short", null), "3.4 M");
assert.equal(page.formatValue(12.345, "", 1), "12.3");
assert.equal(page.formatValue(0.0123, "s", null), "12.3 ms");
assert.equal(page.formatValue(90, "ms", null), "90 ms");
assert.equal(page.formatValue(300, "s", null), "5 min");
assert.equal(page.formatValue(1536, "bytes", null), "1.5 KiB");
assert.equal(page.formatValue(-1536, "bytes", null), "-1.5 KiB");
assert.equal(page.formatValue(0.123, "percentunit", null), "12.3 %");
assert.equal(page.formatValue(20, "reqps", null), "20 req/s");
assert.equal(page.formatValue(1e-7, "", null), "1.00e-7");

assert.deepEqual(page.ticks(0, 83, 4), [0, 50, 100]);
assert.deepEqual(page.ticks(5, 5, 4), [5]);
assert.deepEqual(page.extent([{ values: [null, null] }], null, null), [0, 1]);
assert.deepEqual(page.extent([{ values: [3, 10] }], null, null), [0, 10]);
assert.deepEqual(page.extent([{ values: [98, 100] }], null, null), [0, 100], "hardly any difference: from 0");
assert.deepEqual(page.extent([{ values: [70, 100] }], null, null), [70, 100]);
assert.deepEqual(page.extent([{ values: [-3, null] }], null, 5), [-3, 5]);

const [x, y] = [(i) => 10 * i, (value) => value];
assert.equal(page.pathOf([1, 2, null, 4, 5], x, y), "M0.0 1.0L10.0 2.0M30.0 4.0L40.0 5.0", "a gap stays a gap");
assert.equal(page.areaOf([null, 2, 3], x, y, 9), "M10.0 9L10.0 2.0L20.0 3.0L20.0 9Z");
assert.deepEqual(page.lonely([1, null, 3, null, 5, 6]), [0, 2]);
assert.equal(page.nearest([10, 20, 30], 24), 1);
assert.equal(page.elapsed(3725.9), "1:02:05");

assert.equal(page.cssColour("#ff0000"), "#ff0000");
assert.equal(page.cssColour("dark-green"), "var(--s2)");
assert.equal(page.cssColour("url(http://x)"), null, "nothing but colours");
const limits = [{ value: null, colour: "green" }, { value: 80, colour: "red" }];
assert.equal(page.thresholdColour(79, limits), "var(--s2)");
assert.equal(page.thresholdColour(80, limits), "var(--bad)");
assert.equal(page.thresholdColour(80, limits.slice(0, 1)), null);
assert.deepEqual(page.stacked([{ values: [1, null, 2] }, { values: [3, 4, null] }]).map((one) => one.values), [[1, null, 2], [4, 4, null]]);
console.log("ok");
