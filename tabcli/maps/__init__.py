"""What networks learned of categories, as tables, maps and numbers.

run ── spaces ─┬─ neighbours ─┬─ agreement ──────┐
               │              └─ labels ─────────┤
               ├─ projection ─┬─ beside ─┬───────┤
               │              │          └─ patterns ─▶ words ─▶ page
               └─ known ──────┴─ drawing ─▶ atlas ──────────────▶ page

spaces      the vectors of each column's levels in each network, as tables and as the network reads them
neighbours  distances in a space, and the nearest levels
agreement   whether networks agree about what lies near what, against chance
projection  a space → two dimensions: PCA, t-SNE, UMAP
beside      whether distances in a space agree with distances of given numbers, such as places
labels      a few labels of series → the most similar series without one, and how well the space separates them
known       what is known of each series: its level of the target, its static columns, its usual week
patterns    whether a space follows how its levels sell
drawing     maps as SVG and PNG
atlas       all maps of a run
words       what is said of spaces, on the page and on the terminal
page        all of it as one HTML page; its template, style and script are in templates/
"""
