-- How many removals the store refuses is counted every few seconds, among many that only wait.

create index file_removals_refused on file_removals (attempts) where attempts >= 3;
