mkdir -p more
printf '1 / 0\n' > $'more/\u202e\u009b31m[bold].py'
