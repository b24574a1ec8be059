"""Errors planted where files are written, runs resumed and signals taken; each with the test that finds it.

``fails`` is that test: a file below ``tests/``, a class in it, and how the test's name begins or, with its case, the
whole name.
"""

from .planting import Mutation

FILES, INTERRUPT = "data/test_files.py", "training/test_interrupt.py"
SEALED, KEPT = "training/files/test_sealed.py", "training/checkpoints/test_checkpoints.py"
HISTORY, RUNS, OPTIONS = "training/test_history.py", "cli/test_runs.py", "cli/test_options.py"
LEARNT = f"{RUNS}::TestSignals::test_what_has_been_learnt_is_saved_and_goes_on_to_the_same_file[12-SIGTERM]"
KILLED = f"{RUNS}::TestResume::test_a_run_that_was_killed_while_it_saved_goes_on[1]"

SAVING = [
    # the replacement of files
    Mutation(
        "data.files._replace", "temporary.replace(target)",
        "shutil.copyfile(temporary, target); temporary.unlink()",
        "copies the temporary instead of renaming it",
        f"{FILES}::TestWhatever::test_a_reader_of_the_old_file_still_reads_it",
    ),
    Mutation(
        "data.files._replace", "target.with_name(", "Path('/tmp').joinpath(",
        "puts the temporary where another file system may be", f"{FILES}::TestWriteFile::test_it_is_written_beside",
    ),
    Mutation(
        "data.files._replace", "except BaseException:", "except Exception:",
        "leaves the temporary after Ctrl-C",
        f"{FILES}::TestWriteFile::test_an_error_changes_nothing_and_leaves_nothing",
    ),
    Mutation(
        "data.files._replace", "temporary.unlink(missing_ok=True)", "pass",
        "leaves the temporary after an error",
        f"{FILES}::TestWriteFile::test_an_error_changes_nothing_and_leaves_nothing",
    ),
    Mutation(
        "data.files._replace", "secrets.token_hex(8)", "'0'",
        "has one name for every writer's temporary", f"{FILES}::TestWriteFile::test_it_is_written_beside",
    ),
    Mutation(
        "data.files._replace", 'target.with_name(f".{target.name[:40]}.{secrets.token_hex(8)}.part")',
        "Path(f'{target}.part')",
        "writes to PATH.part", f"{FILES}::TestWhatever::test_other_files_of_like_names_are_left_alone",
    ),
    Mutation(
        "data.files._replace", "[:40]", "",
        "makes names longer than names can be", f"{FILES}::TestWhatever::test_names_as_long_as_names_can_be",
    ),
    Mutation(
        "data.files._replace", '"xb"', '"wb"',
        "follows a link that was planted under the temporary's name",
        f"{FILES}::TestWriteFile::test_a_temporary_s_name_that_is_taken",
    ),
    Mutation(
        "data.files._replace", "os.fsync(file.fileno())", "pass",
        "does not sync the file", f"{FILES}::TestWriteFile::test_the_file_reaches_the_disk",
    ),
    Mutation(
        "data.files._replace", "_sync(target.parent)", "pass",
        "does not sync the folder", f"{FILES}::TestWriteFile::test_the_file_reaches_the_disk",
    ),
    Mutation(
        "data.files._replace", "shutil.copymode(target, temporary)", "pass",
        "drops the mode", f"{FILES}::TestWhatever::test_links_and_modes_stay",
    ),
    Mutation(
        "data.files.write_file", "os.path.realpath(path)", "path",
        "replaces a link", f"{FILES}::TestWhatever::test_links_and_modes_stay",
    ),
    Mutation(
        "data.files.write_file", "os.path.exists(path) and not os.path.isfile(path)", "False",
        "replaces a pipe", f"{FILES}::TestWhatever::test_a_pipe_stays_one",
    ),
    Mutation(
        "data.files._sync", "errno.EINVAL, ", "",
        "fails where folders cannot be synced", f"{FILES}::TestWriteFile::test_only_what_cannot_sync",
    ),
    Mutation(
        "data.files._sync", "raise", "pass",
        "hides that a folder's names did not reach the disk", f"{FILES}::TestWriteFile::test_only_what_cannot_sync",
    ),
    Mutation(
        "data.files.locked", "_lock(file.fileno())", "pass",
        "locks nothing", f"{FILES}::TestLocked::test_one_at_a_time",
    ),
    Mutation(
        "data.files.locked", "except OSError:", "except NotImplementedError:",
        "needs locks", f"{FILES}::TestLocked::test_a_file_system_without_locks",
    ),
    Mutation(
        "training.history.History", "write_file(path, table.getvalue().encode())",
        "Path(path).write_bytes(table.getvalue().encode())",
        "writes the table in place", f"{FILES}::TestWhatever::test_a_reader_of_the_old_file_still_reads_it",
    ),
    Mutation(
        "training.history.History", "write_file(path, picture.getvalue())",
        "Path(path).write_bytes(picture.getvalue())",
        "writes the picture in place", f"{FILES}::TestWhatever::test_a_reader_of_the_old_file_still_reads_it",
    ),
    Mutation(
        "training.history.format_row", " if column in row", "",
        "needs every column", f"{HISTORY}::TestHistory::test_rows_without_some_columns",
    ),
    Mutation(
        "training.history.History", "utf-8-sig", "utf-8",
        "takes the byte order mark for a column's name", f"{HISTORY}::TestHistory::test_a_table_that_another_program",
    ),
    # signals
    Mutation(
        "training.interrupt.Interruptible", "in (signal.default_int_handler, _interrupt)", "is not None",
        "replaces a foreign handler", f"{INTERRUPT}::TestHandlers::test_a_foreign_one_stays",
    ),
    Mutation(
        "training.interrupt.Interruptible", "if signal.getsignal(number) == self._receive:", "if True:",
        "replaces a handler that was set meanwhile", f"{INTERRUPT}::TestHandlers::test_one_that_is_set_meanwhile_stays",
    ),
    Mutation(
        "training.interrupt.Interruptible", "if threading.current_thread() is threading.main_thread():", "if True:",
        "sets handlers in another thread", f"{INTERRUPT}::TestHandlers::test_another_thread_sets_none",
    ),
    Mutation(
        "training.interrupt.terminable", "if threading.current_thread() is threading.main_thread():", "if True:",
        "sets handlers of termination in another thread", f"{INTERRUPT}::TestHandlers::test_another_thread_sets_none",
    ),
    Mutation(
        "training.interrupt.terminable", "if signal.getsignal(number) is signal.SIG_DFL", "",
        "takes what nohup ignores", f"{INTERRUPT}::TestHandlers::test_what_nohup_ignores_stays_ignored",
    ),
    Mutation(
        "training.interrupt.terminable", "signal.signal(number, signal.SIG_DFL)", "pass",
        "leaves its handlers behind", f"{INTERRUPT}::TestHandlers::test_elsewhere_in_it_termination",
    ),
    Mutation(
        "training.interrupt.Interruptible", " and number == signal.SIGINT", "",
        "is ended at once by a second SIGTERM", f"{INTERRUPT}::TestHandlers::test_in_a_terminable_block_termination",
    ),
    Mutation(
        "training.interrupt.Interruptible", "self.within = True", "pass",
        "takes half a step for a whole one", f"{INTERRUPT}::test_within_a_step_nothing_can_go_on",
    ),
    Mutation(
        "training.interrupt.Interruptible", "self.within = False\n            if", "if",
        "takes a whole step for half a one", f"{INTERRUPT}::test_an_interrupted_run_goes_on",
    ),
    # what goes on
    Mutation(
        "training.loop.fit", "sums.reset()\n                run", "run",
        "counts an epoch's sums for the next", f"{INTERRUPT}::test_an_interrupted_run_goes_on",
    ),
    Mutation(
        "training.loop.fit", "held_out_sums.reset(where)", "held_out_sums.where = where",
        "counts one epoch's validation for the next",
        "training/test_loop.py::TestFit::test_the_validation_of_each_epoch",
    ),
    Mutation(
        "training.loop.fit", "skip=sums.steps * accumulate", "skip=0",
        "does the steps of an unfinished epoch again", f"{INTERRUPT}::test_an_interrupted_run_goes_on",
    ),
    Mutation(
        "training.loop._taken_up", "resumed or not isinstance(rng, np.random.Generator)", "True",
        "leaves out samples that another shuffle had", f"{INTERRUPT}::test_a_generator_s_shuffle",
    ),
    Mutation(
        "training.score.Sums", "if not self.steps:", "if True:",
        "takes the rate of a later step for the epoch's first", f"{INTERRUPT}::test_an_interrupted_run_goes_on",
    ),
    Mutation(
        "training.score.Sums", 'self._scored = "accuracy" in begun', "self._scored = False",
        "forgets that the loss has an accuracy", f"{INTERRUPT}::test_an_interrupted_run_goes_on",
    ),
    # checkpoints
    Mutation(
        "training.files.sealed.check_seal", "if digest.hexdigest().encode() != found[1]:", "if False:",
        "takes a damaged file", f"{SEALED}::test_every_flipped_bit",
    ),
    Mutation(
        "training.checkpoints.keeper.Keeper", 'self._put_back(self._of_model, "model")', "pass",
        "draws dropout's masks anew", f"{KEPT}::test_a_run_that_crashed_goes_on_to_the_same_bits[arrays]",
    ),
    Mutation(
        "training.checkpoints.keeper.Keeper", 'self._put_back(self._of_data, "epoch")', "pass",
        "draws the augmentation anew", f"{KEPT}::test_a_run_that_crashed_goes_on_to_the_same_bits[augmented]",
    ),
    Mutation(
        "training.checkpoints.keeper.Keeper", "weights in self._state", "weights in 0 * self._state",
        "forgets what the metrics are of", f"{KEPT}::test_a_run_that_crashed_goes_on_to_the_same_bits[arrays]",
    ),
    Mutation(
        "training.checkpoints.keeper.Keeper", "copied(array)", "array",
        "writes what the next step changes", f"{KEPT}::TestFolder::test_what_is_written_is_of_its_step",
    ),
    Mutation(
        "training.files.sealed.check_seal", 'min(int.from_bytes(size, "little"), Path(path).stat().st_size)',
        'int.from_bytes(size, "little")',
        "reads as much as a header claims to have", f"{KEPT}::TestFolder::test_where_all_are_damaged",
    ),
    Mutation(
        "training.checkpoints.folder.Checkpoint", "check_seal(path, required=True)", "check_seal(path)",
        "takes what has no checksum", f"{KEPT}::TestFolder::test_where_all_are_damaged",
    ),
    Mutation(
        "training.checkpoints.keeper.Keeper",
        "write_file(path, sealed(arrays, {**self._settings.metadata, _KEY: text}))\n",
        "self._settings.replace(by=path); write_file(path, sealed(arrays, {**self._settings.metadata, _KEY: text}))\n",
        "removes the old checkpoints before the new one is on the disk", f"{KEPT}::TestFolder::test_the_old_ones_stay",
    ),
    Mutation(
        "training.checkpoints.keeper.Keeper", "if path is None:", "if True:",
        "the best epoch puts the next one off", f"{KEPT}::TestFolder::test_the_best_epoch_puts",
    ),
    Mutation(
        "training.checkpoints.folder.Checkpoint", "if _step(path) < _step(newest)", "",
        "a damaged one takes a place", f"{KEPT}::TestFolder::test_one_of_a_later_step",
    ),
    Mutation(
        "training.checkpoints.keeper.Keeper", "if not copies:\n", "if False:\n",
        "lets the next step change what is being written", f"{KEPT}::TestFailures::test_without_memory",
    ),
    Mutation(
        "training.checkpoints.keeper.Keeper", 'self._put_back(self._of_data, "called")', "pass",
        "holds out other samples", f"{KEPT}::test_a_generator_that_has_moved_on",
    ),
    # runs of the command line
    Mutation(
        "cli.train._stop", "keep(history)", "pass",
        "saves nothing of an unfinished epoch", LEARNT,
    ),
    Mutation(
        "cli.train._stop", "with Interruptible():", "if True:",
        "is ended by a second SIGTERM while it saves", f"{RUNS}::TestSignals::test_termination_that_comes_twice",
    ),
    Mutation(
        "cli.train._stop", "if history.begun is None:", "if False:",
        "saves half a step", f"{RUNS}::TestSignals::test_a_second_ctrl_c",
    ),
    Mutation(
        "cli.train._stop", "raise KeyboardInterrupt(history.signal)", "raise KeyboardInterrupt",
        "has one status for all signals", LEARNT,
    ),
    Mutation(
        "cli.train._train", "    finally:\n        if history.interrupted:",
        "    finally:\n        pass\n    if True:\n        if history.interrupted:",
        "saves nothing where the terminal has gone", f"{RUNS}::TestSignals::test_a_terminal_that_has_gone",
    ),
    Mutation(
        "cli.train.train", ", locked(out)", "",
        "lets two runs write to one folder", f"{RUNS}::TestFolders::test_where_another_run_writes_none_begins",
    ),
    Mutation(
        "cli.train._begin", "not args.overwrite and ", "",
        "never replaces a run", f"{RUNS}::TestFolders::test_a_run_is_replaced_only_if_one_says_so",
    ),
    Mutation(
        "cli.train._begin", "if not args.overwrite and any(", "if False and any(",
        "replaces a run unasked", f"{RUNS}::TestFolders::test_a_run_is_replaced_only_if_one_says_so",
    ),
    Mutation(
        "cli.train._begin", "(MODEL_FILE, _HISTORY, CONFIG))", "(MODEL_FILE, CONFIG))",
        "replaces a table unasked", f"{RUNS}::TestFolders::test_a_table_of_the_user_s",
    ),
    Mutation(
        "data.files.remove_unfinished", 'f".{name}.*.part"', '"*.part"',
        "removes files of the user's", f"{RUNS}::TestFolders::test_what_a_killed_process_left",
    ),
    Mutation(
        "cli.train._begin", "if file is None:", "if False:",
        "does not begin where nothing is saved", KILLED,
    ),
    Mutation(
        "cli.train._begin", "if started != todo.recipe:", "if started.model != todo.recipe.model:",
        "goes on with other options", f"{RUNS}::TestResume::test_other_options_are_refused",
    ),
    Mutation(
        "cli.train._begin", "if optimizer.steps != ", "if 0 > ",
        "goes on with a history of another run", f"{RUNS}::TestResume::test_a_history_that_is_not_the_optimiser_s",
    ),
    Mutation(
        "cli.train._begin", "_add_seconds(history, out / _HISTORY)", "pass",
        "leaves a torn table", f"{RUNS}::TestResume::test_a_table_that_is_missing",
    ),
    Mutation(
        "cli.train._begin", "todo.rng.bit_generator.state = masks", "pass",
        "draws the masks of the first epoch again", f"{RUNS}::TestSignals::test_the_masks_and_the_best_epoch",
    ),
    Mutation(
        "cli.train._keeper", "if best:", "if True:",
        "takes the last epoch for the best one", f"{OPTIONS}::TestEarlyStopping::test_the_best_epoch",
    ),
    Mutation(
        "cli.config.words_of", "if getattr(args, name) == usual[name]:", "if True:",
        "adds the file's columns to those of the command line", f"{OPTIONS}::TestConfig::test_names_of_any_sort",
    ),
    Mutation(
        "cli.config.config_of", "todo.lr", "todo.optimizer.rate",
        "writes the learning rate at which a run goes on", f"{OPTIONS}::TestConfig::test_of_a_run_that_went_on",
    ),
    Mutation(
        "cli.train._add_seconds", "if row.items() <= written.items():", "if True:",
        "takes rows from another run's table", f"{RUNS}::TestResume::test_a_table_that_is_missing",
    ),
    Mutation(
        "cli.job.default_folder", ".recipe.data == recipe.data", ".recipe.data != ''",
        "has one default folder for data of the same last name",
        f"{RUNS}::TestFolders::test_data_of_the_same_last_name",
    ),
    Mutation(
        "cli.recipe.Recipe", ' if key != "seconds"', "",
        "writes other bytes in each run", LEARNT,
    ),
    Mutation(
        "cli.recipe.images_digest", "_digest(data.x_train, data.y_train, data.x_test, data.y_test)",
        "_digest(data.x_train, data.x_test)",
        "does not notice changed labels", f"{RUNS}::TestResume::test_changed_data_are_refused[train-labels]",
    ),
    Mutation(
        "cli.recipe.Recipe", "digest=digest, **options)\n\n    @property", "**options)\n\n    @property",
        "does not notice a changed text", f"{RUNS}::TestResume::test_changed_text_is_refused",
    ),
]  # fmt: skip
