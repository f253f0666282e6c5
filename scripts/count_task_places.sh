#!/bin/sh
# The files outside of a task's folder that must know its name, maps, classes or config message: what adding such a task to
# this tree touches besides its own folder. Prints one line a task.
#
#   scripts/count_task_places.sh            every task
#   scripts/count_task_places.sh -v         with the files
cd "$(dirname "$0")/.." || exit 1
rooms="models tasks train tools distributed optim configs evaluation drawing"
for folder in tasks/*/; do
  task=$(basename "$folder")
  [ -e "$folder/$task.h" ] || continue # shared by tasks
  names=$(sed -n 's/.*inline constexpr const char\* \(k[A-Za-z]*\).*/\1/p' "$folder"*.h; # its maps
    sed -n 's/^class \([A-Za-z]*\).*/\1/p' "$folder"*.h;                                # its classes
    grep -ohE '[A-Za-z]+Head& head|network\(\)\.[a-z_]+_head' "$folder"*.cpp | sed 's/& head//; s/.*\.//'; # its message
    echo "${task}_task"; echo "tasks/$task/")
  pattern=$(echo "$names" | sort -u | paste -sd'|')
  files=$(grep -rlE --include='*.h' --include='*.cpp' --include='*.proto' "\b(mutable_)?($pattern)" $rooms |
    grep -v "^$folder" | sort -u)
  inside=$(find "$folder" -type f | wc -l)
  echo "$task: $inside files in its folder, $(echo "$files" | grep -c .) outside"
  [ "$1" = "-v" ] && echo "$files" | sed 's/^/  /'
done
exit 0
