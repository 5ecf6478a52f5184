// Jobs: starting them, and what follows when one ends.

import { t } from "../i18n.js";
import * as wire from "../wire.js";
import { download } from "./download.js";
import { isOver, kindOf, MAKES } from "./job_view.js";
import { getWeights } from "./weights.js";

const TASKS = { decompose: "decompose", split: "decompose", generate: "generate", replace: "generate" };

/** Give `studio` its `startJob`, `cancelJob` and `dismissJob`, and act on what ends. */
export function mountJobs(studio) {
  const { store } = studio;
  const claims = new Map(); // by job, whether somebody still waits for its files
  const methods = new Map(); // by job, the method that it runs
  const dismissed = new Set(); // a quick job may be over and gone before the answer to its start is here
  const put = (job) => store.set({ jobs: [...store.get("jobs").filter((one) => one.id !== job.id), job] });

  studio.startJob = async (kind, body = {}, { claim = null } = {}) => {
    const method = methodOf(studio.catalogue, kind, body);
    try {
      const { job } = await wire.post("jobs", { kind, ...body });
      if (claim) claims.set(job.id, claim);
      methods.set(job.id, method);
      const isKnown = dismissed.has(job.id) || store.get("jobs").some((one) => one.id === job.id);
      if (!isKnown) put(job); // its events may be here already
      return job;
    } catch (error) {
      if (error.kind === "MissingWeights") failed(studio, error, method);
      else studio.fail(error);
      return null;
    }
  };
  studio.cancelJob = (job) => {
    put({ ...job, cancelling: true });
    return wire.post(`jobs/${job.id}/cancel`).catch(studio.fail);
  };
  studio.dismissJob = async (job) => {
    if (dismissed.has(job.id)) return;
    dismissed.add(job.id);
    store.set({ jobs: store.get("jobs").filter((one) => one.id !== job.id) });
    await wire.post(`jobs/${job.id}/dismiss`).catch((error) => error.status !== 404 && studio.fail(error)); // another tab was first
  };

  store.watch("jobs", (jobs, before) => {
    // An answer that was on its way while a job was dismissed brings it back.
    if (jobs.some((job) => dismissed.has(job.id))) return store.set({ jobs: jobs.filter((job) => !dismissed.has(job.id)) });
    const states = new Map(before.map((job) => [job.id, job.state]));
    for (const job of jobs) {
      if (!isOver(job) || !states.has(job.id) || states.get(job.id) === job.state) continue;
      ended(studio, job, { isClaimed: Boolean(claims.get(job.id)?.()), method: methods.get(job.id) || null });
      claims.delete(job.id);
    }
  });
}

/** The method that a job runs: what was asked for, or the default of its task; null for other jobs. */
function methodOf(catalogue, kind, body) {
  const task = TASKS[kind];
  return task ? catalogue.chosen(task, body.request?.method || body.method) : null;
}

function ended(studio, job, { isClaimed, method }) {
  if (job.state === "failed") failed(studio, job.error, method);
  else if (job.state === "cancelled") studio.notify({ kind: "info", message: t("job.was_cancelled", { job: kindOf(job) }) });
  else if (job.kind === "pull") weightsArrived(studio, job);
  else succeeded(studio, job, isClaimed);
}

function failed(studio, { kind, message, advice }, method) {
  const action = kind === "MissingWeights" && method?.missing.length ? { label: t("weights.get"), run: () => getWeights(studio, method) } : null;
  studio.notify({ kind: "error", message, advice, action });
}

async function weightsArrived(studio, job) {
  studio.notify({ kind: "done", message: t("weights.arrived", { title: job.title }) });
  await studio.catalogue.load().catch(studio.fail);
}

function succeeded(studio, job, isClaimed) {
  const { document = false, files = [], notes = [] } = job.result || {};
  if (document && MAKES.has(job.kind)) {
    studio.store.set({ draft: null, hints: { boxes: [], points: [], excluded: [] }, tool: "select" });
    studio.panels.show("canvas");
    studio.dismissJob(job); // its document is what there is to see
  }
  for (const message of notes) studio.notify({ kind: "info", message });
  if (files.length && !isClaimed) offer(studio, files);
}

function offer(studio, files) {
  if (files.length === 1) download(files[0]);
  studio.notify({
    kind: "done", message: t("export.made", { count: files.length }), advice: files.flatMap((file) => file.notes || []).join(" "),
    action: { label: files.length === 1 ? t("export.again") : t("export.save_all"), run: () => files.forEach(download) },
  });
}
