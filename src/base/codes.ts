/**
 * Every error code hauki ever says, in one place. `docs/errors.md` explains each one to people; a test ties the two together.
 *
 * - `http`: status of an HTTP answer that carries the code
 * - `exit`: exit code of a command that ends with it (64 usage, 70 outcome unknown, 75 denied or unreachable, nothing executed)
 * - `retry`: whether the same call can go through later without anybody changing anything
 * - `hint`: what to do next, where the place that refuses has nothing better to say
 */
export const CODES = {
  // What the caller asked for cannot be asked for.
  intent_invalid: { http: 422, exit: 64, retry: false, hint: 'Say in 1 to 512 characters what you are about to change and why.' },
  node_invalid: { http: 422, exit: 64, retry: false, hint: 'Name the node with 1 to 63 letters, digits, "_", "." or "-", beginning with a letter or digit.' },
  datasets_invalid: { http: 422, exit: 64, retry: false, hint: 'Name at least one dataset, none of them inside another.' },
  duration_invalid: { http: 422, exit: 64, retry: false, hint: 'Give a duration such as 30s, 10m or 2h.' },
  mode_unsupported: { http: 422, exit: 64, retry: false, hint: 'Ask for mode "standard".' },
  body_invalid: { http: 400, exit: 64, retry: false, hint: 'Compare the body with /openapi.json.' },
  body_too_large: { http: 413, exit: 64, retry: false, hint: 'Send less in one request.' },
  media_type_unsupported: { http: 415, exit: 64, retry: false, hint: 'Send the body as application/json.' },
  route_unknown: { http: 404, exit: 64, retry: false, hint: 'See /openapi.json for what this controller answers to.' },
  usage: { http: 400, exit: 64, retry: false, hint: 'See --help.' },

  // What it is about is not there, or not to be touched.
  dataset_missing: { http: 404, exit: 75, retry: false, hint: "Check the spelling, and that it exists on the controller's host." },
  dataset_unsupported: { http: 422, exit: 75, retry: false, hint: 'Run "hauki doctor" to see which storage this host can guard.' },
  dataset_protected: { http: 403, exit: 75, retry: false, hint: "Guard a directory that does not hold hauki's own data." },
  name_too_long: { http: 422, exit: 75, retry: false, hint: 'Guard a dataset with a shorter path.' },
  mutation_unknown: { http: 404, exit: 75, retry: false, hint: '"hauki log" lists the mutations.' },
  evidence_unknown: { http: 404, exit: 75, retry: false, hint: '"hauki evidence" lists what is kept.' },
  webhook_unknown: { http: 404, exit: 75, retry: false, hint: '"hauki webhook list" lists them.' },
  webhook_refused: { http: 422, exit: 75, retry: false, hint: 'Give an http(s) address in loopback, 10.0.0.0/8 or 100.64.0.0/10, or have the operator name it in webhooks.allow.' },
  webhooks_unavailable: { http: 503, exit: 75, retry: true, hint: 'Check space and permissions of HAUKI_HOME, and webhooks.db in it.' },
  cursor_ahead: { http: 409, exit: 75, retry: false, hint: 'The ledger is not the one this cursor is from, or was restored. Begin without a cursor, or after 0.' },

  // Who asks may not.
  unauthorized: { http: 401, exit: 75, retry: false, hint: 'Send the token from HAUKI_HOME/token as "Authorization: Bearer …", or use the Unix socket.' },
  certificate_refused: { http: 401, exit: 75, retry: false, hint: 'Join the mesh again with a new token: "hauki node invite" on the controller makes one.' },
  node_revoked: { http: 403, exit: 75, retry: false, hint: 'Whoever runs the controller can invite it again.' },
  token_revoked: { http: 403, exit: 75, retry: false, hint: 'Ask whoever runs the controller for another token.' },
  session_over: { http: 401, exit: 75, retry: false, hint: 'Log in again.' },
  page_foreign: { http: 403, exit: 75, retry: false, hint: "Open the page at the controller's own address, as it says when it starts." },
  forbidden: { http: 403, exit: 75, retry: false, hint: 'Ask on the controller itself, or with a token of that scope.' },
  policy_denied: { http: 403, exit: 75, retry: false, hint: "Ask whoever runs the controller to widen the node's policy." },

  // Joining the mesh.
  token_invalid: { http: 400, exit: 64, retry: false, hint: 'Copy the whole line that "hauki node invite" printed.' },
  token_unknown: { http: 403, exit: 75, retry: false, hint: 'Ask for a new one: "hauki node invite" on the controller.' },
  token_used: { http: 409, exit: 75, retry: false, hint: 'A token works once. Ask for a new one: "hauki node invite" on the controller.' },
  token_expired: { http: 403, exit: 75, retry: false, hint: 'Ask for a new one: "hauki node invite" on the controller.' },
  name_taken: { http: 409, exit: 75, retry: false, hint: 'Choose another name.' },
  node_unknown: { http: 404, exit: 75, retry: false, hint: '"hauki node list" on the controller shows the nodes.' },
  mesh_missing: { http: 409, exit: 75, retry: false, hint: 'Run "hauki mesh init" on the controller first; docs/mesh.md shows how.' },
  mesh_other: { http: 409, exit: 75, retry: false, hint: 'Check the address, and for which mesh the token is. Nothing secret was sent.' },
  address_refused: { http: 400, exit: 64, retry: false, hint: 'Listen in 10.0.0.0/8, 100.64.0.0/10 or on loopback, or name the address in "listenAnywhere" of config.yaml.' },

  // A machine that lacks something.
  install_refused: { http: 409, exit: 75, retry: false, hint: 'Mend what the message names; nothing was changed.' },
  install_failed: { http: 500, exit: 70, retry: false, hint: 'Mend what the message names; then do the same again.' },
  native_missing: { http: 501, exit: 75, retry: false, hint: 'Run hauki with Node for that: docs/install.md.' },

  // Not now.
  rate_limited: { http: 429, exit: 75, retry: true, hint: 'Ask again in a minute.' },
  lock_timeout: { http: 409, exit: 75, retry: true, hint: '"hauki locks" shows who holds what; ask again with a longer --wait.' },
  dataset_busy: { http: 409, exit: 75, retry: true, hint: 'Wait until the open mutation has ended, or end it.' },
  overloaded: { http: 503, exit: 75, retry: true, hint: 'Ask again in a moment.' },
  low_space: { http: 507, exit: 75, retry: true, hint: 'Free space, or let go of old snapshots with "hauki prune".' },
  controller_restarted: { http: 503, exit: 75, retry: true, hint: 'Nothing was executed; ask again.' },
  controller_stopping: { http: 503, exit: 75, retry: true, hint: 'Ask again when the controller is back.' },
  controller_unreachable: { http: 503, exit: 75, retry: true, hint: 'Start it with "hauki up", or name another with --controller.' },
  cancelled: { http: 409, exit: 75, retry: true, hint: 'The caller went away before the grant; ask again.' },

  // The storage or the ledger could not do it; nothing was executed.
  node_lost: { http: 409, exit: 75, retry: true, hint: 'Start the node again, name it with --allow-missing, or revoke it if it is gone for good; "hauki node list" shows who is heard.' },
  flush_failed: { http: 504, exit: 75, retry: true, hint: "The nodes run again and nothing was executed. See the node's log for its flush hooks." },
  barrier_broken: { http: 409, exit: 75, retry: true, hint: 'The snapshot proves nothing and was removed; nothing was executed. Ask again.' },
  snapshot_failed: { http: 503, exit: 75, retry: true, hint: 'See the controller\'s log, then "hauki doctor".' },
  storage_timeout: { http: 504, exit: 75, retry: true, hint: 'The storage did not answer in time; "hauki doctor" measures it.' },
  ledger_unavailable: { http: 503, exit: 75, retry: true, hint: 'The controller cannot write its ledger: check space and permissions of HAUKI_HOME.' },
  ledger_broken: { http: 500, exit: 75, retry: false, hint: '"hauki audit verify" names the first broken record.' },
  ledger_future: { http: 500, exit: 75, retry: false, hint: 'Install the hauki version that wrote it, or a newer one; nothing was changed.' },
  ledger_present: { http: 409, exit: 75, retry: false, hint: 'Check it with "hauki audit verify". If it is broken, move HAUKI_HOME/ledger away first.' },
  home_locked: { http: 503, exit: 75, retry: true, hint: 'Talk to the controller that runs on this HAUKI_HOME, or choose another HAUKI_HOME.' },
  selftest_failed: { http: 503, exit: 75, retry: false, hint: 'Snapshots cannot be trusted on this machine as it is; "hauki doctor" shows the step that failed.' },

  // The call came too late, or for the wrong thing.
  fence_stale: { http: 409, exit: 70, retry: false, hint: 'The lease this token belonged to is over; ask for a new clearance.' },
  lease_lost: { http: 409, exit: 70, retry: false, hint: '"hauki show" tells what became of the mutation.' },
  stage_wrong: { http: 409, exit: 75, retry: false, hint: '"hauki show" tells where the mutation stands.' },
  idempotency_mismatch: { http: 422, exit: 64, retry: false, hint: 'Use a new Idempotency-Key for a different request.' },
  newer_mutations: { http: 409, exit: 75, retry: false, hint: 'Roll the newer ones back first, newest first.' },
  rollback_blocked: { http: 409, exit: 70, retry: false, hint: 'The locks stay. Remove what stands in the way, then "hauki resolve M --rollback".' },
  snapshot_gone: { http: 410, exit: 75, retry: false, hint: 'It was pruned or destroyed; pin what must stay.' },
  snapshot_kept: { http: 409, exit: 75, retry: false, hint: 'Unpin it, or end the mutation that needs it.' },

  // A command in the place it is meant for.
  context_invalid: { http: 422, exit: 64, retry: false, hint: 'Name a context: local, lxd:NAME, incus:NAME or ssh:[USER@]HOST[:PORT].' },
  context_missing: { http: 404, exit: 75, retry: false, hint: 'Check the name, and that it is running. Nothing was executed.' },
  context_unreachable: { http: 503, exit: 75, retry: true, hint: 'Nothing was executed; ask again when it can be reached.' },
  context_denied: { http: 403, exit: 75, retry: false, hint: 'Nothing was executed. See docs/reach.md for keys and known hosts.' },
  command_invalid: { http: 422, exit: 64, retry: false, hint: 'Give a program and its arguments; none can hold a NUL.' },
  command_unstartable: { http: 422, exit: 75, retry: false, hint: 'Check the spelling and that it is installed there. Nothing was executed.' },
  command_stopped: { http: 409, exit: 70, retry: false, hint: 'All its processes have ended; what it did until then is done.' },
  command_lost: { http: 503, exit: 70, retry: false, hint: 'It may still run there, or have ended either way: look before it is run again.' },
  file_failed: { http: 422, exit: 75, retry: false, hint: 'Mend what the message names; what was there before is there still.' },

  // The vault.
  vault_missing: { http: 404, exit: 75, retry: false, hint: 'Make one with "hauki vault init", or name the folder of one with --cipher.' },
  vault_present: { http: 409, exit: 75, retry: false, hint: 'Name an empty folder: what is there is never overwritten.' },
  vault_key_wrong: { http: 403, exit: 75, retry: false, hint: 'Nothing was opened. docs/vault.md says what to do when the key is lost.' },
  vault_unavailable: { http: 503, exit: 75, retry: true, hint: '"hauki vault status" tells how it stands.' },
  vault_in_use: { http: 409, exit: 75, retry: true, hint: 'End what is named, then ask again.' },
  mount_point_unusable: { http: 409, exit: 75, retry: false, hint: 'Name an empty folder of your own to mount on.' },

  // Command blocks of a text (GEM-EXEC).
  gem_invalid: { http: 422, exit: 64, retry: false, hint: 'Mark a block as docs/gem-exec.md says. Nothing was executed.' },
  gem_unplaced: { http: 422, exit: 64, retry: false, hint: 'Say it in the block or with --node, --via and --dataset. Nothing was executed.' },
  gem_declined: { http: 409, exit: 75, retry: false, hint: 'Look at the plan with --dry-run; --yes answers the question.' },

  // A diff (x-surgeon).
  patch_invalid: { http: 422, exit: 64, retry: false, hint: 'Make it with "git diff --binary" or "diff -uraN". Nothing was changed.' },
  patch_refused: { http: 403, exit: 75, retry: false, hint: 'A diff changes regular files below the dataset, and nothing else. Nothing was changed.' },
  patch_mismatch: { http: 409, exit: 75, retry: false, hint: 'Make the diff anew against the files as they are. Nothing was changed.' },
  patch_failed: { http: 500, exit: 75, retry: false, hint: 'Mend what the message names; every file is as it was.' },
  patch_torn: { http: 500, exit: 70, retry: false, hint: 'Some files are new and others old; the old ones lie where the message says. Under a guard the rollback mends it.' },

  // A task of a node's spool.
  task_invalid: { http: 422, exit: 75, retry: false, hint: 'Mend what the message names, and drop it again; docs/tasks.md says what a task is.' },
  task_unsigned: { http: 403, exit: 75, retry: false, hint: 'Sign it: "hauki task drop NODE FILE --sign KEY". docs/tasks.md says who may.' },
  task_unknown: { http: 404, exit: 75, retry: false, hint: '"hauki task list NODE" shows what there is.' },
  task_failed: { http: 409, exit: 70, retry: false, hint: 'Its log says more; the failed state is kept. Mend it, and drop it again.' },
  task_interrupted: { http: 409, exit: 70, retry: false, hint: 'It is not run again by itself. Look at its log, then drop it again.' },
  spool_guarded: { http: 422, exit: 64, retry: false, hint: 'Put the spool on another dataset or file system than what its tasks change: a rollback would bring tasks back.' },
  spool_missing: { http: 404, exit: 64, retry: false, hint: 'Name the spool: --spool DIR, or "spool: DIR" in node.yaml.' },

  // A person has to look.
  rollback_failed: { http: 500, exit: 70, retry: false, hint: 'The locks stay. Mend the cause, then "hauki resolve M --rollback" tries again.' },
  rollback_unverified: { http: 500, exit: 70, retry: false, hint: 'The locks stay. Something wrote during the rollback; stop it, then "hauki resolve M --rollback".' },
  holder_unstoppable: { http: 500, exit: 70, retry: false, hint: 'The locks stay. End the processes named, then "hauki resolve M --rollback".' },
  lease_expired: { http: 409, exit: 70, retry: false, hint: 'The locks stay. Look at "hauki diff M", then "hauki resolve M --commit" or "--rollback".' },
  holder_gone: { http: 409, exit: 70, retry: false, hint: 'The locks stay. Look at "hauki diff M", then "hauki resolve M --commit" or "--rollback".' },
  outcome_unknown: { http: 409, exit: 70, retry: false, hint: 'The locks stay. Look at "hauki diff M", then "hauki resolve M --commit" or "--rollback".' },
  seal_unsupported: { http: 422, exit: 75, retry: false, hint: 'Put the state on a ZFS dataset or btrfs subvolume to seal it.' },
  seal_failed: { http: 503, exit: 75, retry: true, hint: 'See the controller\'s log, then "hauki doctor".' },
  internal: { http: 500, exit: 70, retry: false, hint: "This is a defect in hauki; the controller's log has the details." },
} as const satisfies Record<string, { http: number; exit: number; retry: boolean; hint: string }>;

export type Code = keyof typeof CODES;

/** For schemas. */
export const CODE_NAMES = Object.keys(CODES) as [Code, ...Code[]];
