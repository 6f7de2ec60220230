"""Measures b2router beside other storages, nginx and plain b2sdk, on one machine and one emulated B2.

Reading order: `command` (what is run, in which order), `contenders` (who is compared), `calls`, `small`, `large`,
`storages` (what is measured), `figures` (what the numbers mean), `report` (how they are shown); below them `stage`,
`servers`, `environments`, `processes`, `usage`, `transfers`, `load`. The Django sites are in `sites/`.
"""
