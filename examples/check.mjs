// Is deferring the notification safe? Explore, and print the shortest way it goes wrong.
import { check, formatSteps, scenarioNamed, stepsOf } from "shootdown";

const scenario = scenarioNamed("cow-order");
const result = await check(scenario, { era: "defer", consumer: "sharing" });
console.log(`${result.verdict} after ${result.states} states`);
console.log(formatSteps(scenario, await stepsOf(result, scenario)));
