"""What other libraries make of our files: `embeddings.py FILE RASTER.tif...` prints a line of JSON.

FILE is without its ending: .parquet, .npy and .safetensors hold the same rows.

It compares nothing: that is the test's part.
"""

import json
import sys

import duckdb
import geopandas
import numpy
import rasterio
import safetensors.numpy


def table(path: str) -> dict:
    frame = geopandas.read_parquet(path)
    # Written again by another program: ours must read that too.
    frame.to_parquet(path.replace(".parquet", "-again.parquet"))
    sums = duckdb.sql(f"select id, list_sum(embedding::DOUBLE[]) from '{path}' order by id").fetchall()
    return {
        "crs": frame.crs.to_string(),
        "valid": bool(frame.geometry.is_valid.all()),
        "oriented": all(polygon.exterior.is_ccw for polygon in frame.geometry),
        "columns": list(frame.columns),
        "ids": frame["id"].tolist(),
        "first": [float(value) for value in frame["embedding"].iloc[0]],
        "affine": [float(value) for value in frame["affine"].iloc[-1]],
        "bounds": frame.to_crs(frame["crs"].iloc[0]).total_bounds.tolist(),
        "sums": [value for _, value in sums],
        # By the bounding boxes alone.
        "found": geopandas.read_parquet(path, bbox=tuple(frame.geometry.iloc[0].bounds))["id"].tolist(),
        "touching": frame["id"][frame.intersects(frame.geometry.iloc[0].envelope)].tolist(),
    }


def arrays(stem: str) -> dict:
    array = numpy.load(stem + ".npy", mmap_mode="r")
    tensors = safetensors.numpy.load_file(stem + ".safetensors")
    return {
        "type": str(array.dtype),
        "rows": array.tolist(),
        "tensors": tensors["embeddings"].tolist(),
        "ids": tensors["ids"].tolist(),
        "windows": tensors["windows"].tolist(),
        "lines": [json.loads(line) for line in tensors["tiles"].tobytes().splitlines()],
    }


def raster(path: str) -> dict:
    with rasterio.open(path) as file:
        return {
            "size": [file.width, file.height, file.count],
            "dtype": file.dtypes[0],
            "crs": file.crs.to_epsg(),
            "transform": list(file.transform)[:6],
            "nodata": str(file.nodata),
            "colour": file.colormap(1)[1][:3] if file.colorinterp[0].name == "palette" else None,
            "sum": float(file.read(1, masked=True).filled(0).astype("float64").sum()),
        }


stem, *rasters = sys.argv[1:]
told = {"table": table(stem + ".parquet"), "arrays": arrays(stem), "rasters": [raster(path) for path in rasters]}
print(json.dumps(told))
