// The positions of the lanes: one below another, each run after its heading.

const AXIS = 30, HEADING = 46, SIDE_LANE = 30;
let GUTTER = 184; // the width of the labels

const layout = { rows: [], height: 0, tall: 0 }; // rows are {lane|run, y, h}, tall the height of a connection's lane

/** Places all lanes. A connection's lane is as tall as the room permits, or as the user has chosen. */
function place(runs, available) {
  let fixed = 0, connections = 0;
  for (const run of runs) {
    fixed += HEADING;
    for (const lane of run.lanes) if (lane.type === "conn") connections++; else fixed += SIDE_LANE;
  }
  const room = (available - fixed - 12) / Math.max(connections, 1);
  const tall = Math.min(Math.max(layout.wanted ?? Math.min(Math.max(room, 26), 200), 5), 400, Math.max(8e6 / Math.max(connections, 1), 2));
  layout.tall = tall;
  layout.rows = [];
  let y = 0;
  for (const run of runs) {
    layout.rows.push({ run, y, h: HEADING });
    run.top = y;
    y += HEADING;
    for (const lane of run.lanes) {
      lane.y = y;
      lane.h = lane.type === "conn" ? tall : SIDE_LANE;
      layout.rows.push({ lane, y, h: lane.h });
      y += lane.h;
    }
    run.bottom = y;
  }
  layout.height = y + 12;
}

/** Returns the index of the row at a height. */
function rowAt(y) {
  let low = 0, high = layout.rows.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (layout.rows[middle].y <= y) low = middle; else high = middle - 1;
  }
  return low;
}

/** Returns the heights of a lane's two rails, from its top: the dialing host's, and the other's. */
function rails(lane) {
  const pad = lane.h > 40 ? 12 : lane.h > 22 ? 7 : lane.h > 10 ? 2.5 : 1;
  return [Math.round(pad) + 0.5, Math.round(lane.h - pad) - 0.5];
}
