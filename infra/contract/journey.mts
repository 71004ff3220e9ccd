// What a frontend does, by the types that follow from the contract: `make contract` checks them, and runs it.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.d.ts";

type Schemas = components["schemas"];

declare const process: { env: { API_URL: string } };

function expect(what: string, actual: unknown, expected: unknown) {
  const [is, should] = [actual, expected].map((value) => JSON.stringify(value));
  if (is !== should) throw new Error(`${what} is ${is} and should be ${should}`);
}

const api = createClient<paths>({ baseUrl: process.env.API_URL });

const username = crypto.randomUUID();
const registered = await api.POST("/register", {
  body: { username, email: `${username}@example.com`, password: "correct horse" },
});
if (!registered.data) throw registered.error;
const { access_token } = registered.data;
api.use({ onRequest: ({ request }) => request.headers.set("Authorization", `Bearer ${access_token}`) });

// A survey. A question whose rules don't fit its type would not compile.
const questions: Schemas["NewTypedQuestion"][] = [
  { content: "Which pet?", type: "single_choice", required: true, replyContent: ["cat", { value: "dog", label: "A dog" }] },
  { content: "How happy are you with it?", type: "scale", replyContent: { min: 1, max: 5 } },
  { content: "How often?", type: "matrix", replyContent: { rows: ["walk", "play"], columns: ["daily", "never"], minRows: 1 } },
];
const own: Schemas["NewOwnQuestion"] = { content: "Where?", type: "x-map", replyContent: { zoom: 3 } };
const added = await api.POST("/surveys", {
  body: { name: "Pets", dueDate: "2099-12-31", publicStats: true, questions: [...questions, own] },
});
if (!added.data) throw added.error;
const path = { idSurvey: added.data.id };

// Its questions, each with what its type makes of it.
const asked = await api.GET("/surveys/{idSurvey}/questions", { params: { path } });
if (!asked.data) throw asked.error;
const isTyped = (question: Schemas["Question"]): question is Schemas["TypedQuestion"] => !question.type.startsWith("x-");
const answers = Object.fromEntries(
  asked.data.questions.filter(isTyped).map((question) => {
    switch (question.type) {
      case "single_choice":
        return [question.id, "dog"];
      case "scale":
        return [question.id, question.replyContent?.max];
      case "matrix":
        return [question.id, { walk: "daily" }];
      default:
        throw new Error(`${question.type} was not asked`);
    }
  }),
);

// A response, twice: it is stored once.
const response = { params: { path: { ...path, idResponse: crypto.randomUUID() } }, body: { answers } };
for (const status of [201, 200]) {
  const put = await api.PUT("/surveys/{idSurvey}/responses/{idResponse}", response);
  expect("the status of a response", put.response.status, status);
}

// A response that isn't good, and what is wrong with it.
const [choice, scale] = asked.data.questions.map((question) => question.id);
const bad = await api.POST("/surveys/{idSurvey}/responses", { params: { path }, body: { answers: { [scale!]: 9 } } });
if (!bad.error || !("faults" in bad.error)) throw new Error("It was taken");
const faults = bad.error.faults.map(({ question, code }) => [question, code]);
expect("what is wrong", faults, [[choice, "required"], [scale, "too_large"]]);

// The results, for everybody.
const results = await createClient<paths>({ baseUrl: process.env.API_URL }).GET("/surveys/{idSurvey}/stats", { params: { path } });
if (!results.data) throw results.error;
const isScale = (result: Schemas["Result"]): result is Schemas["ScaleResult"] => result.type === "scale";
expect("the mean", results.data.find(isScale)?.summary.mean, 5);

// The responses, as a file.
const query = { format: "csv" } as const;
const csv = await api.GET("/surveys/{idSurvey}/responses", { params: { path, query }, parseAs: "text" });
if (csv.data === undefined) throw csv.error;
expect("the second cell of the download", csv.data.split("\r\n")[0]?.split(",")[1], "createdAt");
expect("its choice", csv.data.split("\r\n")[1]?.split(",")[3], "dog");
console.log("The TypeScript client is at home");
